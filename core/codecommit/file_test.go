package codecommit_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core/aws"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
	"github.com/breakwater-ci/breakwater/core/codecommit"
)

// A clock lets no time pass: waits are over at once.
type clock struct{}

func (clock) Now() time.Time                              { return time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC) }
func (clock) Wait(ctx context.Context, _ time.Time) error { return ctx.Err() }

// client asks a server.
func client(t *testing.T, server *awstest.Server) *codecommit.Client {
	t.Helper()
	env := make(map[string]string)
	for _, entry := range server.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		env[name] = value
	}
	c, err := codecommit.Open(t.Context(), aws.Options{}, aws.Env{Clock: clock{}, Lookup: func(name string) string { return env[name] }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func wantError(t *testing.T, err error, wants ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("it works, want an error with %q", wants)
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %q, want %q in it", err, want)
		}
	}
}

func TestParsePlace(t *testing.T) {
	for text, want := range map[string]codecommit.Place{
		"codecommit:shop@main:breakwater.yaml":              {Repository: "shop", Ref: "main", Path: "breakwater.yaml"},
		"codecommit:My_shop-2.x@release/1@2:ops/./p:1.yaml": {Repository: "My_shop-2.x", Ref: "release/1@2", Path: "ops/p:1.yaml"},
	} {
		if p, ok, err := codecommit.ParsePlace(text); p != want || !ok || err != nil {
			t.Errorf("%s: %+v, %v, %v", text, p, ok, err)
		}
	}
	for _, text := range []string{"", "breakwater.yaml", "git:main:p.yaml", "rules.git@main:p.yaml", "codecommit"} {
		if p, ok, err := codecommit.ParsePlace(text); ok || err != nil {
			t.Errorf("%s: %+v, %v, %v", text, p, ok, err)
		}
	}
	for text, want := range map[string]string{
		"codecommit:":                   "not of the form codecommit:REPOSITORY@REF:FILE",
		"codecommit:shop":               "not of the form codecommit:REPOSITORY@REF:FILE",
		"codecommit:shop@main":          "not of the form codecommit:REPOSITORY@REF:FILE",
		"codecommit:shop@main:":         "not of the form codecommit:REPOSITORY@REF:FILE",
		"codecommit::eu-west-1://s@m:f": "is no name of a repository",
		"codecommit:a/b@main:f":         "is no name of a repository",
		"codecommit:@main:f":            "is no name of a repository",
		"codecommit:shop@:f":            "is no ref",
		"codecommit:shop@-x:f":          "is no ref",
		"codecommit:shop@main~1:f":      "is no ref",
		"codecommit:shop@main:/etc/p":   "is no file of a repository",
		"codecommit:shop@main:../p":     "is no file of a repository",
	} {
		_, ok, err := codecommit.ParsePlace(text)
		if !ok {
			t.Errorf("%s is taken for a file", text)
			continue
		}
		wantError(t, err, want)
	}
}

// TestFile: a ref is resolved to a commit, and what is read is as of that.
func TestFile(t *testing.T) {
	server := awstest.New(t, time.Now)
	c := client(t, server)
	var first, second string
	server.Look("eu-west-1", func(s *awstest.State) {
		first = s.Push("shop", "main", map[string]string{"p.yaml": "one\n", "ops/q.yaml": "q\n", "link": "p.yaml"})
		second = s.Push("shop", "main", map[string]string{"p.yaml": "two\n"})
		r := s.Repositories["shop"]
		r.Tags["v1"], r.Tags["main"] = first, first
		r.Commits[first].Links = []string{"link"}
	})
	for place, want := range map[string][3]string{
		"main:p.yaml":            {second, "p.yaml", "two\n"}, // the branch, not the tag of that name
		"refs/heads/main:p.yaml": {second, "p.yaml", "two\n"},
		"refs/tags/main:p.yaml":  {first, "p.yaml", "one\n"},
		"v1:ops/q.yaml":          {first, "ops/q.yaml", "q\n"},
		first + ":p.yaml":        {first, "p.yaml", "one\n"},
	} {
		at, _, err := codecommit.ParsePlace("codecommit:shop@" + place)
		if err != nil {
			t.Fatal(err)
		}
		f, err := c.File(t.Context(), at)
		if got := [3]string{f.Commit, f.Path, string(f.Text)}; got != want || err != nil {
			t.Errorf("%s: %q, %v; want %q", place, got, err, want)
		}
		if want := "shop@" + f.Commit + ":" + f.Path; f.Name() != want {
			t.Errorf("%s: it is called %s", place, f.Name())
		}
	}
	for place, want := range map[string]string{
		"shop@next:p.yaml":                            "shop has no branch and no tag next; name one, or the full id of a commit",
		"shop@4ac1d2e:p.yaml":                         "shop has no branch and no tag 4ac1d2e",
		"shop@refs/heads/v1:p.yaml":                   "AWS does not show branch v1 of shop",
		"shop@main:q.yaml":                            "shop@main has no file q.yaml",
		"shop@v1:link":                                "is a symbolic link; name the file that it leads to",
		"other@main:p.yaml":                           "other does not exist (RepositoryDoesNotExistException)",
		"shop@" + strings.Repeat("a", 40) + ":p.yaml": "AWS does not show p.yaml of shop@aaaa",
	} {
		at, _, err := codecommit.ParsePlace("codecommit:" + place)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.File(t.Context(), at)
		wantError(t, err, want)
	}
}

// TestMoving: a branch that moves between the two questions does not mix two commits.
func TestMoving(t *testing.T) {
	server := awstest.New(t, time.Now)
	c := client(t, server)
	var first string
	server.Look("eu-west-1", func(s *awstest.State) { first = s.Push("shop", "main", map[string]string{"p.yaml": "one\n"}) })
	tries := 0
	server.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
		if tries++; tries < 3 {
			return nil, &awstest.Fault{Code: "ThrottlingException", Message: "Rate exceeded"}
		}
		out, fault := serve()
		if action == "codecommit:GetBranch" {
			server.Look("eu-west-1", func(s *awstest.State) { s.Push("shop", "main", map[string]string{"p.yaml": "two\n"}) })
		}
		return out, fault
	})
	f, err := c.File(t.Context(), codecommit.Place{Repository: "shop", Ref: "main", Path: "p.yaml"})
	if err != nil || f.Commit != first || string(f.Text) != "one\n" {
		t.Errorf("%s is %q, %v", f.Name(), f.Text, err)
	}
	server.Meddle(func(string, map[string]any, func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
		return nil, &awstest.Fault{Code: "AccessDeniedException", Message: "no"}
	})
	_, err = c.File(t.Context(), codecommit.Place{Repository: "shop", Ref: "main", Path: "p.yaml"})
	wantError(t, err, "allow codecommit:GetBranch on the repository shop")
}
