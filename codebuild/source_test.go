package codebuild

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
)

const (
	shopURL = "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/shop"
	ada     = "arn:aws:iam::123456789012:user/ada"
	other   = "arn:aws:sts::123456789012:assumed-role/other/x"
	line    = "breakwater/shop/test"
)

// session is what CodeBuild calls itself in one of its builds.
func session(n int) string {
	return fmt.Sprintf("arn:aws:sts::123456789012:assumed-role/build/AWSCodeBuild-%d", n)
}

// A yard is a CodeCommit with a repository.
type yard struct {
	t      *testing.T
	server *awstest.Server
	notes  bytes.Buffer // what the builds said
}

func newYard(t *testing.T) *yard {
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	return &yard{t: t, server: awstest.New(t, func() time.Time { at = at.Add(time.Second); return at })}
}

// build is the nth build of the repository.
func (y *yard) build(n int, environ ...string) *source {
	y.t.Helper()
	key := fmt.Sprintf("BUILD%d", n)
	y.server.Identify(key, session(n))
	entries := slices.Concat(of, y.server.Environ(), []string{"AWS_ACCESS_KEY_ID=" + key, fmt.Sprintf("CODEBUILD_BUILD_NUMBER=%d", n),
		"CODEBUILD_SOURCE_REPO_URL=" + shopURL, "CODEBUILD_SOURCE_VERSION=refs/heads/main"}, environ)
	f, ok := New(entries, io.Discard, &y.notes, clock{})
	if !ok || f.Err() != nil {
		y.t.Fatalf("no build: %v", f.Err())
	}
	s, ok := f.OnSource().(*source)
	if !ok {
		y.t.Fatal("its source is not in CodeCommit")
	}
	return s
}

// push makes a commit.
func (y *yard) push(branch string) (id string) {
	y.server.Look("eu-west-1", func(s *awstest.State) { id = s.Push("shop", branch, nil) })
	return id
}

// ask opens a pull request into main.
func (y *yard) ask(p awstest.PullRequest) (is *awstest.PullRequest) {
	y.server.Look("eu-west-1", func(s *awstest.State) {
		if p.Repository == "" {
			p.Repository = "shop"
		}
		if p.Destination == "" {
			p.Destination = "main"
		}
		if p.Author == "" {
			p.Author = ada
		}
		is = s.Ask(p)
	})
	return is
}

// said are the comments on something: a commit, or # and the number of a pull request.
func (y *yard) said(on string) (all []string) {
	y.server.Look("eu-west-1", func(s *awstest.State) {
		for _, c := range s.Repositories["shop"].Comments {
			if c.Pull == "" && c.Commit == on || "#"+c.Pull == on {
				all = append(all, c.Content)
			}
		}
	})
	return all
}

func (y *yard) change(change func(s *awstest.State)) { y.server.Look("eu-west-1", change) }

func (y *yard) wantSaid(on string, wants ...string) {
	y.t.Helper()
	got := y.said(on)
	if len(got) != len(wants) {
		y.t.Fatalf("on %s are %d comments: %q; want %d", on, len(got), got, len(wants))
	}
	for i := range wants {
		if !strings.Contains(got[i], wants[i]) {
			y.t.Errorf("on %s is %q; want %q in it", on, got[i], wants[i])
		}
	}
}

// count is how often an operation was asked for.
func (y *yard) count(action string) (n int) {
	for _, r := range y.server.Asked() {
		if r.Action == "codecommit:"+action {
			n++
		}
	}
	return n
}

func success(says string) core.Status {
	return core.Status{Name: line, State: core.StatusSuccess, Description: says}
}

func failure(says string) core.Status {
	return core.Status{Name: line, State: core.StatusFailure, Description: says}
}

// TestSource: which repository a build is of.
func TestSource(t *testing.T) {
	for environ, want := range map[string]string{
		"CODEBUILD_SOURCE_REPO_URL=" + shopURL:                                                       "eu-west-1 shop",
		"CODEBUILD_SOURCE_REPO_URL=https://github.com/acme/shop.git":                                 " ",
		"CODEBUILD_SOURCE_REPO_URL=https://git-codecommit.evil.com/v1/repos/shop":                    " ",
		"CODEBUILD_SOURCE_REPO_URL=https://x:y@git-codecommit.eu-west-1.amazonaws.com/v1/repos/shop": " ",
		"BREAKWATER_CODECOMMIT=shop":                                                                 "eu-west-1 shop",
		"BREAKWATER_CODECOMMIT=https://git-codecommit.us-east-2.amazonaws.com/v1/repos/a.b":          "us-east-2 a.b",
		"BREAKWATER_CODECOMMIT=":                                                                     " ",
	} {
		f, _, _ := build(t, environ)
		if got := f.from.Region + " " + f.from.Repository; got != want {
			t.Errorf("%s: %q; want %q", environ, got, want)
		}
		_, shows := f.OnSource().(core.Usher)
		if shows != (want != " ") {
			t.Errorf("%s: it shows changes: %v", environ, shows)
		}
	}
	f, _ := New(slices.Concat(of, []string{"BREAKWATER_CODECOMMIT=#{Source.RepositoryName}"}), io.Discard, io.Discard, clock{})
	wantError(t, f.Err(), `BREAKWATER_CODECOMMIT is "#{Source.RepositoryName}"`)
	for version, want := range map[string]string{"main": "main", "refs/heads/release/1": "release/1", "": "", "refs/tags/v1": "", strings.Repeat("a", 40): "", "arn:aws:s3:::x/y": ""} {
		f, _, _ := build(t, "BREAKWATER_CODECOMMIT=shop", "CODEBUILD_SOURCE_VERSION="+version)
		got, err := f.OnSource().(*source).branch()
		if got != want {
			t.Errorf("%q is branch %q; want %q", version, got, want)
		}
		if want == "" {
			wantError(t, err, "set BREAKWATER_CODECOMMIT_BRANCH to its name")
		}
	}
	if got, err := newYard(t).build(1, "CODEBUILD_SOURCE_VERSION=", "BREAKWATER_CODECOMMIT_BRANCH=next").branch(); got != "next" || err != nil {
		t.Errorf("the branch is %q, %v", got, err)
	}
}

// TestStatus: a status is one comment on the commit for each name, by whichever build.
func TestStatus(t *testing.T) {
	for name, anySession := range map[string]bool{"a comment is a role's": true, "a comment is a session's": false} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t)
			initial, commit := y.push("main"), y.push("main")
			y.change(func(s *awstest.State) { s.AnySession, s.Lag = anySession, 2 })
			first := y.build(41)
			for _, st := range []core.Status{{Name: line, State: core.StatusPending, Description: "wave 1"}, {Name: line, State: core.StatusPending, Description: "wave 2"}, success("done"), success("done"), {Name: line + "2", State: core.StatusFailure}} {
				if err := first.SetStatus(t.Context(), commit, st); err != nil {
					t.Fatal(err)
				}
			}
			y.wantSaid(commit, "Breakwater: **breakwater/shop/test** is **success**: done\n\n[Build 41](https://", "test2** is **failure**")
			if n := y.count("UpdateComment"); n != 2 {
				t.Errorf("comments were changed %d times; want 2", n)
			}
			y.change(func(s *awstest.State) {
				for _, c := range s.Repositories["shop"].Comments {
					c.Unseen = 0
				}
			})
			if err := y.build(42).SetStatus(t.Context(), commit, failure("bad")); err != nil {
				t.Fatal(err)
			}
			if anySession {
				y.wantSaid(commit, "bad\n\n[Build 42]", "test2")
			} else {
				y.wantSaid(commit, "done", "test2", "bad\n\n[Build 42]") // the newest counts
			}
			if err := y.build(43).SetStatus(t.Context(), initial, success("first")); err != nil {
				t.Error(err)
			}
			y.wantSaid(initial, "first")
			wantError(t, first.SetStatus(t.Context(), "v1", success("x")), `"v1" is no full id of a commit`)
			wantError(t, first.SetStatus(t.Context(), strings.Repeat("a", 40), success("x")), "AWS does not show commit aaaa")
		})
	}
}

// TestOthers: what somebody else has written under our words is theirs, and a comment that somebody has deleted is written again.
func TestOthers(t *testing.T) {
	y := newYard(t)
	commit := y.push("main")
	forged := "Breakwater: **breakwater/shop/test** is **success**"
	y.change(func(s *awstest.State) {
		for _, by := range []string{ada, other} {
			s.Repositories["shop"].Comments = append(s.Repositories["shop"].Comments, &awstest.Comment{ID: by, Author: by, Content: forged, Commit: commit})
		}
	})
	s := y.build(41)
	if err := s.SetStatus(t.Context(), commit, failure("bad")); err != nil {
		t.Fatal(err)
	}
	y.wantSaid(commit, forged, forged, "bad")
	y.change(func(s *awstest.State) { s.Repositories["shop"].Comments[2].Deleted = true })
	if err := s.SetStatus(t.Context(), commit, failure("worse")); err != nil {
		t.Fatal(err)
	}
	y.wantSaid(commit, forged, forged, "bad", "worse")
	mine := y.said(commit)[3]
	y.change(func(s *awstest.State) {
		s.Repositories["shop"].Comments = []*awstest.Comment{{ID: "copy", Author: other, Content: mine, Commit: commit}}
	})
	if err := y.build(41).SetStatus(t.Context(), commit, failure("worse")); err != nil {
		t.Fatal(err)
	}
	y.wantSaid(commit, "worse", "worse") // the first is a copy by somebody else
}

// TestLostAnswer: a comment whose answer was lost is there once, and throttling is waited out.
func TestLostAnswer(t *testing.T) {
	y := newYard(t)
	commit := y.push("main")
	lost := 0
	y.server.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
		lost++
		if lost%2 == 0 {
			return serve()
		}
		if action == "codecommit:PostCommentForComparedCommit" {
			serve()
			return nil, &awstest.Fault{Lost: true}
		}
		return nil, &awstest.Fault{Code: "ThrottlingException", Message: "Rate exceeded"}
	})
	if err := y.build(41).SetStatus(t.Context(), commit, success("done")); err != nil {
		t.Fatal(err)
	}
	y.wantSaid(commit, "done")
	if n := y.count("PostCommentForComparedCommit"); n != 2 {
		t.Errorf("it was posted %d times; the test proves nothing", n)
	}
}

// TestHostile: no text from anywhere is more than text.
func TestHostile(t *testing.T) {
	y := newYard(t)
	commit := y.push("main")
	s := y.build(41)
	s.Log().Mask("s3cr3t")
	if err := s.SetStatus(t.Context(), commit, failure("s3cr3t ![x](http://evil) <img src=x>\n# `big` **b** \\_")); err != nil {
		t.Fatal(err)
	}
	y.wantSaid(commit, `is **failure**: \*\*\* !\[x\](http://evil) &lt;img src=x&gt; \# &#96;big&#96; \*\*b\*\* &#92;\_`)
}

// TestComment: a report is where its commit was discussed, else on the commit.
func TestComment(t *testing.T) {
	y := newYard(t)
	y.push("main")
	source, second := y.push("feature"), y.push("loose")
	merge := y.push("main")
	for range 5 {
		y.ask(awstest.PullRequest{Source: "loose", Title: "another", Closed: true})
	}
	y.ask(awstest.PullRequest{Source: "feature", Title: "the one", Closed: true, Merged: merge})
	y.ask(awstest.PullRequest{Source: "feature", Title: "open"})
	s := y.build(41)
	s.Log().Mask("s3cr3t")
	for _, text := range []string{"# bad\n", "# good s3cr3t\n"} {
		if err := s.Comment(t.Context(), merge, "shop/test", text); err != nil {
			t.Fatal(err)
		}
	}
	y.wantSaid("#6", "Breakwater: **the report of shop/test**\n\n# good ***\n")
	y.wantSaid(merge)
	if err := s.Comment(t.Context(), source, "shop/test", "# a branch\n"); err != nil {
		t.Fatal(err)
	}
	y.wantSaid("#6", "# a branch")
	y.wantSaid("#7", "# a branch")
	lonely := y.push("main")
	if err := s.Comment(t.Context(), lonely, "shop/test", strings.Repeat("a line of a report\n", 2000)); err != nil {
		t.Fatal(err)
	}
	y.wantSaid(lonely, "This is its beginning")
	if n := utf8.RuneCountInString(y.said(lonely)[0]); n > 10240 || n < 10000 {
		t.Errorf("the comment has %d characters", n)
	}
	y.change(func(s *awstest.State) {
		for i := range 40 {
			s.Ask(awstest.PullRequest{Repository: "shop", Source: "loose", Destination: "main", Title: fmt.Sprint(i), Closed: true, Author: ada})
		}
	})
	asked := y.count("GetPullRequest")
	if err := s.Comment(t.Context(), second, "shop/test", "# many\n"); err != nil {
		t.Fatal(err)
	}
	if n := y.count("GetPullRequest") - asked; n != newest+1 {
		t.Errorf("%d pull requests were looked at; want %d", n, newest+1)
	}
}
