package codebuild

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws/awstest"
)

const (
	rule      = "BREAKWATER_CODECOMMIT_RULE=gate"
	gateRole  = "BREAKWATER_CODECOMMIT_ROLE=arn:aws:iam::123456789012:role/gate"
	gateAs    = "arn:aws:sts::123456789012:assumed-role/gate/breakwater"
	gatePool  = `{"Version":"2018-11-08","Statements":[{"Type":"Approvers","NumberOfApprovalsNeeded":1,"ApprovalPoolMembers":["arn:aws:sts::123456789012:assumed-role/gate/*"]}]}`
	buildPool = `{"Version":"2018-11-08","Statements":[{"Type":"Approvers","NumberOfApprovalsNeeded":1,"ApprovalPoolMembers":["arn:aws:sts::123456789012:assumed-role/build/*"]}]}`
	anybody   = `{"Version":"2018-11-08","Statements":[{"Type":"Approvers","NumberOfApprovalsNeeded":1}]}`
	people    = `{"Version":"2018-11-08","Statements":[{"Type":"Approvers","NumberOfApprovalsNeeded":1,"ApprovalPoolMembers":["CodeCommitApprovers:123456789012:ada"]}]}`
)

// show asks for the open pull requests and shows a status on each.
func show(t *testing.T, s *source, st core.Status) (changes []core.Change, failed []error) {
	t.Helper()
	changes, err := s.Changes(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if err := s.Show(t.Context(), c, st); err != nil {
			failed = append(failed, err)
		}
	}
	return changes, failed
}

// approved are those who approve a pull request as it is now.
func (y *yard) approved(p *awstest.PullRequest) (by []string) {
	y.change(func(*awstest.State) {
		for key := range p.Approvals {
			if arn, ok := strings.CutPrefix(key, p.Revision+" "); ok {
				by = append(by, arn)
			}
		}
	})
	slices.Sort(by)
	return by
}

func (y *yard) wantApproved(p *awstest.PullRequest, want ...string) {
	y.t.Helper()
	if got := y.approved(p); !slices.Equal(got, want) {
		y.t.Errorf("#%s is approved by %q; want %q", p.ID, got, want)
	}
}

func TestChanges(t *testing.T) {
	y := newYard(t)
	y.push("main")
	commit := y.push("feature")
	y.change(func(s *awstest.State) {
		s.Push("other", "main", nil)
		s.Push("other", "feature", nil)
		s.Push("shop", "next", nil)
	})
	for range 4 {
		y.ask(awstest.PullRequest{Source: "feature", Title: "[breakwater-answer] [urgent]Mend it [not this]"})
	}
	y.ask(awstest.PullRequest{Source: "feature", Title: "closed", Closed: true})
	y.ask(awstest.PullRequest{Source: "feature", Title: "elsewhere", Destination: "next"})
	y.ask(awstest.PullRequest{Source: "feature", Title: "another repository", Repository: "other"})
	s := y.build(41)
	changes, err := s.Changes(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range changes {
		names = append(names, c.Name)
		if c.Commit != commit || !slices.Equal(c.Labels, []string{"breakwater-answer", "urgent"}) {
			t.Errorf("the change is %+v", c)
		}
	}
	if !slices.Equal(names, []string{"#4", "#3", "#2", "#1"}) {
		t.Errorf("the changes are %q", names)
	}
	if changes, err := s.Changes(t.Context(), false); len(changes) > 0 || err != nil {
		t.Errorf("the build is about %v, %v", changes, err)
	}
	if _, err := y.build(42, "CODEBUILD_SOURCE_VERSION=").Changes(t.Context(), true); err == nil {
		t.Error("without a branch there are changes")
	}
	wantError(t, s.Show(t.Context(), core.Change{Name: "#9"}, success("x")), `"#9" is no pull request that was asked for`)
}

// TestShow: a comment says why a pull request may not enter, and that it may once it may; where it always might there is none.
func TestShow(t *testing.T) {
	y := newYard(t)
	y.push("main")
	y.push("feature")
	y.ask(awstest.PullRequest{Source: "feature", Title: "one"})
	y.change(func(s *awstest.State) { s.AnySession = true })
	for i, c := range []struct {
		st   core.Status
		want []string
	}{
		{success("enter"), nil},
		{failure("halted"), []string{"**failure**: halted"}},
		{failure("halted"), []string{"halted"}},
		{success("enter"), []string{"**success**: enter"}},
	} {
		if _, failed := show(t, y.build(41+i), c.st); failed != nil {
			t.Fatal(failed)
		}
		y.wantSaid("#1", c.want...)
	}
	if posted, changed := y.count("PostCommentForPullRequest"), y.count("UpdateComment"); posted != 1 || changed != 1 {
		t.Errorf("%d comments were made and %d changed; want one each", posted, changed)
	}
	if n := y.count("UpdatePullRequestApprovalState") + y.count("GetPullRequestApprovalStates"); n != 0 {
		t.Error("without a rule it approves")
	}
}

// TestApproval: the answer is an approval at the revision that is there now, made and taken back once.
func TestApproval(t *testing.T) {
	y := newYard(t)
	y.push("main")
	y.push("feature")
	p := y.ask(awstest.PullRequest{Source: "feature", Title: "one", Rules: map[string]string{"gate": gatePool, "review": people}})
	shut := func(n int) {
		t.Helper()
		if _, failed := show(t, y.build(n, rule, gateRole), failure("halted")); failed != nil {
			t.Error(failed)
		}
		y.wantApproved(p)
	}
	open := func(n int) {
		t.Helper()
		if _, failed := show(t, y.build(n, rule, gateRole), success("enter")); failed != nil {
			t.Error(failed)
		}
		y.wantApproved(p, gateAs)
	}
	shut(41)
	open(42)
	open(43)
	y.push("feature")
	y.wantApproved(p)
	open(44)
	shut(45)
	y.change(func(*awstest.State) { p.Approvals[p.Revision+" "+ada] = "APPROVE" })
	for _, st := range []core.Status{success("enter"), failure("halted")} { // a person's approval is neither ours nor ours to take back
		if _, failed := show(t, y.build(46, rule, gateRole), st); failed != nil {
			t.Error(failed)
		}
		if want := map[core.StatusState][]string{core.StatusSuccess: {ada, gateAs}, core.StatusFailure: {ada}}[st.State]; !slices.Equal(y.approved(p), want) {
			t.Errorf("#1 is approved by %q; want %q", y.approved(p), want)
		}
	}
	if n := y.count("UpdatePullRequestApprovalState"); n != 5 {
		t.Errorf("approvals were changed %d times; want 5: each is an event that may start a build", n)
	}
	if y.notes.Len() > 0 {
		t.Errorf("it says %s", &y.notes)
	}
}

// TestStale: a push between the look and the approval is looked at again; a title that says something else by then is not approved.
func TestStale(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(y *yard, p *awstest.PullRequest)
		times     int
		want      []string
		fails     string
	}{
		"a push":          {func(y *yard, _ *awstest.PullRequest) { y.push("feature") }, 1, []string{gateAs}, ""},
		"push after push": {func(y *yard, _ *awstest.PullRequest) { y.push("feature") }, 100, nil, "the pull request has changed"},
		"closed":          {func(y *yard, p *awstest.PullRequest) { y.change(func(*awstest.State) { p.Closed = true }) }, 1, nil, ""},
		"another title": {func(y *yard, p *awstest.PullRequest) {
			y.push("feature")
			y.change(func(*awstest.State) { p.Title = "Mend it" })
		}, 1, nil, "the title of #1 has changed"},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t)
			y.push("main")
			y.push("feature")
			p := y.ask(awstest.PullRequest{Source: "feature", Title: "[breakwater-answer] Mend it", Rules: map[string]string{"gate": gatePool}})
			y.server.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
				if action == "codecommit:UpdatePullRequestApprovalState" && c.times > 0 {
					c.times--
					c.meanwhile(y, p)
				}
				return serve()
			})
			_, failed := show(t, y.build(41, rule, gateRole), success("enter"))
			if c.fails == "" && failed != nil {
				t.Error(failed)
			}
			if c.fails != "" {
				if len(failed) != 1 {
					t.Fatalf("%v", failed)
				}
				wantError(t, failed[0], c.fails)
			}
			y.wantApproved(p, c.want...)
		})
	}
}

// TestRules: an approval that would say anything else than it is to say is not given, and one that was is taken back.
func TestRules(t *testing.T) {
	for name, c := range map[string]struct {
		rules map[string]string
		says  string // empty: it is approved
	}{
		"its own":                    {map[string]string{"gate": buildPool}, ""},
		"beside one of people":       {map[string]string{"gate": buildPool, "review": people}, ""},
		"none":                       {nil, `it has no approval rule "gate" that would wait for that`},
		"another":                    {map[string]string{"review": people}, `it has no approval rule "gate"`},
		"another role's":             {map[string]string{"gate": gatePool}, `its approval rule "gate" does not count arn:aws:sts::123456789012:assumed-role/build/AWSCodeBuild-41`},
		"beside one of anybody":      {map[string]string{"gate": buildPool, "review": anybody}, `its approval rule "review" would take that for a person's approval`},
		"beside one of all roles":    {map[string]string{"gate": buildPool, "review": strings.Replace(buildPool, "build/*", "*", 1)}, `"review" would take that`},
		"beside one of the role":     {map[string]string{"gate": buildPool, "review": strings.Replace(buildPool, "sts::123456789012:assumed-role/build/*", "iam::123456789012:role/build", 1)}, `"review" would take that`},
		"beside one by name":         {map[string]string{"gate": buildPool, "review": strings.Replace(people, "ada", "*AWSCodeBuild-41", 1)}, `"review" would take that`},
		"beside another account's":   {map[string]string{"gate": buildPool, "review": strings.Replace(people, "123456789012:ada", "210987654321:*", 1)}, ""},
		"beside one nobody can read": {map[string]string{"gate": buildPool, "review": "?"}, `"review" would take that`},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t)
			y.push("main")
			y.push("feature")
			p := y.ask(awstest.PullRequest{Source: "feature", Title: "one", Rules: c.rules})
			if c.says != "" {
				y.change(func(*awstest.State) { p.Approvals[p.Revision+" "+session(41)] = "APPROVE" })
			}
			if _, failed := show(t, y.build(41, rule), success("enter")); failed != nil {
				t.Fatal(failed)
			}
			if c.says == "" {
				y.wantApproved(p, session(41))
			} else {
				y.wantApproved(p)
			}
			if got := y.notes.String(); !strings.Contains(got, c.says) || (got == "") != (c.says == "") {
				t.Errorf("it says %q; want %q", got, c.says)
			}
		})
	}
}

// TestLeft: an approval of another build that cannot be taken back is an error: the change could enter.
func TestLeft(t *testing.T) {
	y := newYard(t)
	y.push("main")
	y.push("feature")
	p := y.ask(awstest.PullRequest{Source: "feature", Title: "one", Rules: map[string]string{"gate": buildPool}})
	if _, failed := show(t, y.build(41, rule), success("enter")); failed != nil {
		t.Fatal(failed)
	}
	_, failed := show(t, y.build(42, rule), failure("halted"))
	if len(failed) != 1 {
		t.Fatalf("%v", failed)
	}
	wantError(t, failed[0], "#1 is still approved by "+session(41), "revoke that by hand, and set BREAKWATER_CODECOMMIT_ROLE")
	y.wantSaid("#1", "halted")
	y.change(func(s *awstest.State) { s.AnySession = true })
	if _, failed := show(t, y.build(43, rule), failure("halted")); failed != nil {
		t.Error(failed)
	}
	y.wantApproved(p)
}

// TestSlow: that an approval is gone may show only a while later.
func TestSlow(t *testing.T) {
	for lag, fails := range map[int]bool{0: false, 2: false, 3: true} {
		y := newYard(t)
		y.push("main")
		y.push("feature")
		p := y.ask(awstest.PullRequest{Source: "feature", Title: "one", Rules: map[string]string{"gate": gatePool}})
		if _, failed := show(t, y.build(41, rule, gateRole), success("enter")); failed != nil {
			t.Fatal(failed)
		}
		y.change(func(s *awstest.State) { s.Lag = lag })
		if _, failed := show(t, y.build(42, rule, gateRole), failure("halted")); (failed != nil) != fails {
			t.Errorf("after %d looks: %v", lag, failed)
		}
		y.wantApproved(p)
	}
}

// TestNotTaken: what CodeCommit does not take is said with what to do.
func TestNotTaken(t *testing.T) {
	y := newYard(t)
	y.push("main")
	y.push("feature")
	y.ask(awstest.PullRequest{Source: "feature", Title: "one", Author: gateAs, Rules: map[string]string{"gate": gatePool}})
	_, failed := show(t, y.build(41, rule, gateRole), success("enter"))
	if len(failed) != 1 {
		t.Fatalf("%v", failed)
	}
	wantError(t, failed[0], "CodeCommit takes no approval by its author")
	y.server.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
		if action == "codecommit:UpdatePullRequestApprovalState" {
			return nil, &awstest.Fault{Code: "AccessDeniedException", Message: "not authorized"}
		}
		return serve()
	})
	_, failed = show(t, y.build(42, rule, gateRole), success("enter"))
	if len(failed) != 1 {
		t.Fatalf("%v", failed)
	}
	wantError(t, failed[0], "allow codecommit:UpdatePullRequestApprovalState on the repository shop")
	wantError(t, y.build(43, "BREAKWATER_CODECOMMIT_ROLE=gate").SetStatus(t.Context(), "", success("x")), "role is", "the role is that of BREAKWATER_CODECOMMIT_ROLE")
}

func TestExamine(t *testing.T) {
	y := newYard(t)
	commit := y.push("main")
	said := func(s *source, p *core.Plan) string {
		var b strings.Builder
		for _, d := range s.Examine(t.Context(), p) {
			fmt.Fprintf(&b, "%s %s: %s %s\n", d.Health, d.About, d.What, d.Do)
		}
		return b.String()
	}
	want := func(got string, wants ...string) {
		t.Helper()
		for _, w := range wants {
			if !strings.Contains(got, w) {
				t.Errorf("it says %s\nwant %q in it", got, w)
			}
		}
	}
	here := "CODEBUILD_RESOLVED_SOURCE_VERSION=" + commit
	got := said(y.build(41, here), nil)
	want(got, "ok CodeCommit: It shows commit "+commit+" of shop to "+session(41), "clock: The clock here is ")
	if strings.Contains(got, "problem CodeCommit") {
		t.Errorf("it says %s", got)
	}
	want(said(y.build(42, here, rule), &core.Plan{Requires: &core.Requires{Statuses: []string{"build"}}}),
		"problem CodeCommit: The plan requires statuses: build. A build of AWS CodeBuild can read none",
		"warning CodeCommit: The gate approves as "+session(42), "Set BREAKWATER_CODECOMMIT_ROLE")
	if got := said(y.build(42, here, rule, gateRole), nil); strings.Contains(got, "warning CodeCommit") {
		t.Errorf("it says %s", got)
	}
	want(said(y.build(43, "CODEBUILD_RESOLVED_SOURCE_VERSION="+strings.Repeat("a", 40)), nil), "problem CodeCommit: AWS does not show commit aaaa")
	y.server.Meddle(func(action string, _ map[string]any, serve func() (map[string]any, *awstest.Fault)) (map[string]any, *awstest.Fault) {
		if strings.HasPrefix(action, "codecommit:GetComments") || action == "codecommit:ListPullRequests" {
			return nil, &awstest.Fault{Code: "AccessDeniedException", Message: "not authorized"}
		}
		return serve()
	})
	want(said(y.build(44, here), nil), "allow codecommit:GetCommentsForComparedCommit", "allow codecommit:ListPullRequests")
	for _, r := range y.server.Asked() {
		if strings.HasPrefix(r.Action, "codecommit:Post") || strings.HasPrefix(r.Action, "codecommit:Update") {
			t.Errorf("it has done %s", r.Action)
		}
	}
}
