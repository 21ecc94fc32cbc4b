package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/breakwater-ci/breakwater/core/aws/awstest"
)

// cloud has a script talk to a small AWS: cloud [ACTION...] names the actions that are not permitted there. It has the function
// shop, with an alias live, in eu-west-1, and nothing in us-east-1.
func cloud(t *testing.T) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, denied []string) {
		if neg {
			ts.Fatalf("usage: cloud [ACTION...]")
		}
		server := awstest.New(t, time.Now)
		server.Look("eu-west-1", func(s *awstest.State) {
			f := &awstest.Function{Aliases: map[string]*awstest.Alias{"live": {Version: "1", Revision: "1"}}}
			f.Publish("s3://code/v1.zip", "v1")
			s.Functions["shop"] = f
		})
		server.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
			if slices.Contains(denied, action) {
				return nil, &awstest.Fault{Code: "AccessDeniedException", Message: "User: ci is not authorized to perform: " + action}
			}
			return serve()
		})
		for _, v := range server.Environ() {
			name, value, _ := strings.Cut(v, "=")
			ts.Setenv(name, value)
		}
	}
}
