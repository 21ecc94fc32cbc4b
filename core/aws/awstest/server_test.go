package awstest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A witness is a test that may fail without failing this one.
type witness struct {
	testing.TB
	said []string
}

func (w *witness) Errorf(format string, args ...any) {
	w.said = append(w.said, fmt.Sprintf(format, args...))
}

// TestChecks: a request, or an answer, that AWS's own models do not know fails the test.
func TestChecks(t *testing.T) {
	const create = "CodeDeploy_20141006.CreateDeployment"
	for name, c := range map[string]struct {
		target, method, path, body string
		unsigned                   bool
		want                       string // what is said; empty: nothing
	}{
		"good":            {target: create, body: `{"applicationName":"a","deploymentGroupName":"g"}`},
		"unknown member":  {target: create, body: `{"applicationName":"a","clientToken":"x"}`, want: "there is no clientToken"},
		"missing":         {target: create, body: `{"deploymentGroupName":"g"}`, want: "applicationName is missing"},
		"wrong type":      {target: create, body: `{"applicationName":7}`, want: "CreateDeployment.applicationName: 7 is no string"},
		"wrong word":      {target: create, body: `{"applicationName":"a","fileExistsBehavior":"KEEP"}`, want: `"KEEP" is none of [DISALLOW OVERWRITE RETAIN]`},
		"too long":        {target: create, body: `{"applicationName":"` + strings.Repeat("a", 101) + `"}`, want: "101 is out of bounds"},
		"not JSON":        {target: create, body: `{`, want: "unexpected end of JSON input"},
		"unknown action":  {target: "CodeDeploy_20141006.DeleteApplication", body: `{}`, want: "codedeploy:DeleteApplication is refused"},
		"unknown service": {target: "Other.Thing", body: `{}`, want: "nobody knows POST"},
		"not signed":      {target: create, unsigned: true, want: "is not signed"},
		"in the path":     {method: http.MethodGet, path: "/2015-03-31/functions/shop/aliases/live"},
		"bad path":        {method: http.MethodGet, path: "/2015-03-31/functions/shop/aliases/7", want: "does not match"},
		"another method":  {method: http.MethodPatch, path: "/2015-03-31/functions/shop/aliases/live", want: "nobody knows PATCH"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &witness{TB: t}
			s := New(w, time.Now)
			method := c.method
			if method == "" {
				method = http.MethodPost
			}
			req, err := http.NewRequestWithContext(t.Context(), method, s.url+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Amz-Target", c.target)
			if !c.unsigned {
				req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=JOB/20261125/eu-west-1/lambda/aws4_request")
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if said := strings.Join(w.said, "\n"); c.want == "" && said != "" || !strings.Contains(said, c.want) {
				t.Errorf("%q; want %q", said, c.want)
			}
		})
	}
}

// TestAnswers: the fake itself is held to the models.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		out   map[string]any
		fault *Fault
		want  string
	}{
		"unknown member": {out: map[string]any{"Colour": "blue"}, want: "the fake is wrong: GetAlias answer: there is no Colour"},
		"wrong form":     {out: map[string]any{"FunctionVersion": "seven"}, want: "the fake is wrong"},
		"unknown fault":  {fault: &Fault{Code: "BadMoodException"}, want: "the fake is wrong: GetAlias never fails with BadMoodException"},
	} {
		t.Run(name, func(t *testing.T) {
			w := &witness{TB: t}
			s := New(w, time.Now)
			s.Meddle(func(string, map[string]any, func() (map[string]any, *Fault)) (map[string]any, *Fault) {
				return c.out, c.fault
			})
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/2015-03-31/functions/shop/aliases/live", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=JOB/20261125/eu-west-1/lambda/aws4_request")
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
			}
			if said := strings.Join(w.said, "\n"); !strings.Contains(said, c.want) {
				t.Errorf("%q; want %q", said, c.want)
			}
		})
	}
}
