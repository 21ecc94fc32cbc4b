package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/breakwater-ci/breakwater/core/aws/awstest"
)

// towers are the small AWS of each script that asks for one. It is checked in the name of the whole test: a script is none.
type towers struct{ t *testing.T }

type towerKey struct{}

// of is the AWS of a script.
func (w towers) of(ts *testscript.TestScript) *awstest.Server {
	s, ok := ts.Value(towerKey{}).(**awstest.Server)
	if !ok {
		ts.Fatalf("the script has no place for an AWS")
	}
	if *s == nil {
		*s = awstest.New(w.t, time.Now)
		for _, entry := range (*s).Environ() {
			name, value, _ := strings.Cut(entry, "=")
			ts.Setenv(name, value)
		}
	}
	return *s
}

// codecommit pushes the files of a folder: codecommit push REPOSITORY BRANCH DIR sets the variable COMMIT to what came of it;
// codecommit ask REPOSITORY SOURCE DESTINATION TITLE opens a pull request, with an approval rule named gate for anybody who has
// assumed a role; codecommit comments prints what was said of commits and pull requests, and who has approved what.
func (w towers) codecommit(ts *testscript.TestScript, neg bool, args []string) {
	server := w.of(ts)
	switch {
	case !neg && len(args) == 4 && args[0] == "push":
		files := make(map[string]string)
		dir := ts.MkAbs(args[3])
		ts.Check(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			name, err2 := filepath.Rel(dir, path)
			files[filepath.ToSlash(name)] = string(text)
			if err == nil {
				err = err2
			}
			return err
		}))
		server.Look("eu-west-1", func(s *awstest.State) { ts.Setenv("COMMIT", s.Push(args[1], args[2], files)) })
	case !neg && len(args) == 5 && args[0] == "ask":
		server.Look("eu-west-1", func(s *awstest.State) {
			s.Ask(awstest.PullRequest{Repository: args[1], Source: args[2], Destination: args[3], Title: args[4], Author: "arn:aws:iam::" + awstest.Account + ":user/ada",
				Rules: map[string]string{"gate": `{"Version":"2018-11-08","Statements":[{"Type":"Approvers","NumberOfApprovalsNeeded":1,"ApprovalPoolMembers":["arn:aws:sts::` + awstest.Account + `:assumed-role/*"]}]}`}})
		})
	case !neg && len(args) == 1 && args[0] == "comments":
		server.Look("eu-west-1", func(s *awstest.State) { _, _ = ts.Stdout().Write([]byte(said(s))) })
	default:
		ts.Fatalf("usage: codecommit push REPOSITORY BRANCH DIR | ask REPOSITORY SOURCE DESTINATION TITLE | comments")
	}
}

// said is all that a person would find in a region's CodeCommit.
func said(s *awstest.State) string {
	var b strings.Builder
	for name, r := range s.Repositories {
		for _, c := range r.Comments {
			where := name + "@" + c.Commit
			if c.Pull != "" {
				where = name + "#" + c.Pull
			}
			b.WriteString("== " + where + " by " + c.Author[strings.LastIndexByte(c.Author, ':')+1:] + "\n" + strings.TrimRight(c.Content, "\n") + "\n")
		}
	}
	for _, p := range s.Pulls {
		for by := range p.Approvals {
			_, who, _ := strings.Cut(by, " ")
			b.WriteString("== #" + p.ID + " approved by " + who[strings.LastIndexByte(who, ':')+1:] + "\n")
		}
	}
	return b.String()
}
