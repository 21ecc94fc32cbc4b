package awstest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// identity answers for STS, which speaks XML: who somebody is, and who they become by a role. Who has taken on a role
// asks with its ARN as the access key, its colons and slashes as dots.
func (s *Server) identity(w http.ResponseWriter, r *http.Request, key, region string) {
	action := r.FormValue("Action")
	s.note(Request{Action: "sts:" + action, Region: region, Key: key})
	const frame = `<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>`
	switch action {
	case "GetCallerIdentity":
		fmt.Fprintf(w, frame, action, "<Account>"+Account+"</Account><Arn>"+s.named(key)+"</Arn><UserId>AIDA</UserId>")
	case "AssumeRole":
		_, role, _ := strings.Cut(r.FormValue("RoleArn"), ":role/")
		s.Identify(strings.NewReplacer(":", ".", "/", ".").Replace(r.FormValue("RoleArn")),
			"arn:aws:sts::"+Account+":assumed-role/"+role+"/"+r.FormValue("RoleSessionName"))
		fmt.Fprintf(w, frame, action, fmt.Sprintf("<Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"+
			"<SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials>",
			strings.NewReplacer(":", ".", "/", ".").Replace(r.FormValue("RoleArn")), s.now().Add(time.Hour).UTC().Format(time.RFC3339)))
	default:
		s.t.Errorf("nobody knows sts:%s", action)
		w.WriteHeader(http.StatusBadRequest)
	}
}

func (s *Server) named(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.arn(key)
}
