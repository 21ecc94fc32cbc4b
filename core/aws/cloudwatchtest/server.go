// Package cloudwatchtest is a small CloudWatch: metrics with statistics over periods, and alarms with a history; beside it
// the part of STS that says who asks and gives roles.
//
// Every request and every answer is checked against AWS' own description of the service. It speaks the protocol that the
// SDK speaks to CloudWatch, Smithy RPC v2 in CBOR.
package cloudwatchtest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/breakwater-ci/breakwater/core/standin"
)

const (
	// Region is where it is.
	Region = "eu-west-1"
	// Account is whose it is.
	Account = "123456789012"
	// Role can be taken.
	Role = "arn:aws:iam::123456789012:role/deploy"
)

// A Meddler stands before the server.
type Meddler = standin.Meddler

// A Server is CloudWatch in one region of one account.
type Server struct {
	standin.Front // what is noted is the action of each request, with the key that signed it

	URL string // where it listens, unless a test serves it elsewhere

	t     testing.TB
	model model

	mu      sync.Mutex
	page    int
	metrics []metric
	alarms  []Alarm
	found   func(expression string, from, until time.Time) []Result
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := Handler(t)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.URL = server.URL
	return s
}

// Handler returns a server that listens nowhere yet.
func Handler(t testing.TB) *Server {
	t.Helper()
	m, err := document()
	if err != nil {
		t.Fatal(err)
	}
	return &Server{t: t, model: m, page: 1000}
}

// Lookup is the environment of a job that may ask a server at an address.
func Lookup(address string) func(name string) string {
	environ := map[string]string{"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": Region}
	return func(name string) string { return environ[name] }
}

// Page makes answers shorter: so many alarms, items or points in each.
func (s *Server) Page(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.page = n
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.Serve(w, r, s.serve) }

var (
	operation = regexp.MustCompile(`^/service/(\w+)/operation/(\w+)$`)
	signature = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=(\w+)/[0-9]{8}/` + Region + `/(monitoring|sts)/aws4_request, `)
)

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the connection is gone
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	signed := signature.FindStringSubmatch(r.Header.Get("Authorization"))
	if signed == nil || r.Method != http.MethodPost {
		s.t.Errorf("%s %s is not signed for %s", r.Method, r.URL, Region)
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if signed[2] == "sts" {
		s.sts(w, body, signed[1])
		return
	}
	path := operation.FindStringSubmatch(r.URL.Path)
	known := path != nil && path[1] == s.model.Prefix && r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor" && r.Header.Get("Content-Type") == "application/cbor"
	if _, served := s.model.Operations[last(path)]; !known || !served {
		s.t.Errorf("%s %s is not served here", r.Method, r.URL)
		w.WriteHeader(http.StatusNotFound)
		return
	}
	s.Note("cloudwatch:" + path[2] + " " + signed[1])
	s.call(w, path[2], body)
}

func last(parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	return parts[len(parts)-1]
}

// call answers one operation. Both sides are held to the model.
func (s *Server) call(w http.ResponseWriter, name string, body []byte) {
	op := s.model.Operations[name]
	in, err := cbor.Decode(body)
	if err == nil {
		err = s.model.check(name, op.Input, in)
	}
	if err != nil {
		s.t.Errorf("%s: CloudWatch would refuse it: %v", name, err)
		Refuse(http.StatusBadRequest, "ValidationError", err.Error())(w, nil, nil)
		return
	}
	var out cbor.Map
	switch asked := in.(cbor.Map); name {
	case "GetMetricData":
		out, err = s.getMetricData(asked)
	case "DescribeAlarms":
		out = s.describeAlarms(asked)
	default:
		out = s.describeAlarmHistory(asked)
	}
	if err != nil {
		Refuse(http.StatusBadRequest, "ValidationError", err.Error())(w, nil, nil)
		return
	}
	if err := s.model.check(name, op.Output, out); err != nil {
		s.t.Errorf("the answer to %s: CloudWatch would not give it: %v", name, err)
	}
	w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
	w.Header().Set("Content-Type", "application/cbor")
	w.Write(cbor.Encode(out))
}

// Refuse is a meddler that answers every request with an error.
func Refuse(status int, code, message string) Meddler {
	return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Smithy-Protocol", "rpc-v2-cbor")
		w.Header().Set("Content-Type", "application/cbor")
		w.WriteHeader(status)
		w.Write(cbor.Encode(cbor.Map{"__type": cbor.String("com.amazonaws.cloudwatch#" + code), "message": cbor.String(message)}))
	}
}

// sts says who asks, and gives the one role that there is. It speaks the older protocol: a form, answered in XML.
func (s *Server) sts(w http.ResponseWriter, body []byte, key string) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		s.t.Error(err)
	}
	action := form.Get("Action")
	s.Note("sts:" + action + " " + key)
	w.Header().Set("Content-Type", "text/xml")
	switch {
	case action == "GetCallerIdentity":
		fmt.Fprintf(w, "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::%s:user/x</Arn><UserId>x</UserId><Account>%[1]s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>", Account)
	case action == "AssumeRole" && form.Get("RoleArn") == Role && form.Get("RoleSessionName") == "breakwater":
		fmt.Fprintf(w, "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
			time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	case action == "AssumeRole":
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User is not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>")
	default:
		s.t.Errorf("STS is asked for %q", action)
		w.WriteHeader(http.StatusBadRequest)
	}
}

// cut takes a page of something from where a token says, and says where the next begins.
func cut[T any](all []T, in cbor.Map, most int) (page []T, out cbor.Map) {
	out = cbor.Map{}
	from := 0
	if token, ok := in["NextToken"].(cbor.String); ok {
		from, _ = strconv.Atoi(strings.TrimPrefix(string(token), "page-"))
	}
	if n, err := cbor.AsInt64(in["MaxRecords"]); in["MaxRecords"] != nil && err == nil {
		most = min(most, int(n))
	}
	until := min(from+most, len(all))
	if until < len(all) {
		out["NextToken"] = cbor.String(fmt.Sprintf("page-%d", until))
	}
	return all[from:until], out
}

// stamp writes a time as CBOR does: a tag, and seconds.
func stamp(t time.Time) cbor.Value {
	return &cbor.Tag{ID: 1, Value: cbor.Float64(float64(t.UnixMilli()) / 1e3)}
}

func texts(v cbor.Value) []string {
	list, _ := v.(cbor.List)
	all := make([]string, len(list))
	for i, one := range list {
		all[i] = string(one.(cbor.String))
	}
	return all
}
