package codebuild

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/codecommit"
)

var (
	_ core.Gatekeeper = (*source)(nil)
	_ core.Usher      = (*source)(nil)
)

const (
	// lookAgain is how often a pull request that changes under our hands is looked at, or an approval that is still there.
	lookAgain = 3
	lookPause = 2 * time.Second
)

// Changes implements [core.Gatekeeper]. CodeBuild does not tell a build which pull request of CodeCommit's it is about, so it
// is about none; all of them are the open ones into the branch.
func (s *source) Changes(ctx context.Context, all bool) ([]core.Change, error) {
	if !all {
		return nil, nil
	}
	api, err := s.api(ctx)
	if err != nil {
		return nil, err
	}
	branch, err := s.branch()
	if err != nil {
		return nil, err
	}
	ids, err := api.Pulls(ctx, s.from.Repository, true)
	if err != nil {
		return nil, err
	}
	var changes []core.Change
	for _, id := range ids {
		p, err := api.Pull(ctx, s.from.Repository, id)
		if err != nil {
			return nil, err
		}
		if !p.Open || p.Branch != branch {
			continue
		}
		c := core.Change{Name: "#" + id, Commit: p.Commit, Labels: labels(p)}
		s.mu.Lock()
		s.pulls[c.Name] = p
		s.mu.Unlock()
		changes = append(changes, c)
	}
	return changes, nil
}

// labelForm is a label at the begin of a title, such as [breakwater-answer].
var labelForm = regexp.MustCompile(`^\s*\[([^\]]+)\]`)

// labels of a pull request are those that its title begins with: CodeCommit has no others.
func labels(p codecommit.Pull) (all []string) {
	for title := p.Title; ; {
		m := labelForm.FindStringSubmatch(title)
		if m == nil {
			return all
		}
		all = append(all, m[1])
		title = title[len(m[0]):]
	}
}

// Show implements [core.Usher]: a pull request that may not enter has a comment that says why, which says so too once it may.
// Where a rule is named the answer is an approval.
func (s *source) Show(ctx context.Context, c core.Change, st core.Status) error {
	api, err := s.api(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	p, known := s.pulls[c.Name]
	s.mu.Unlock()
	if !known {
		return fmt.Errorf("%q is no pull request that was asked for", c.Name)
	}
	open := st.State == core.StatusSuccess
	first, text := s.status(st)
	said := s.say(ctx, api, p.Thread(s.from.Repository, s.request()), first, text, !open)
	if s.env.Get(ruleVariable) == "" {
		return said
	}
	return errors.Join(s.answer(ctx, api, p, open), said)
}

// answer approves a pull request, or takes that back. One that has a new revision by now is looked at again; what its title says
// must be what the answer was found with.
func (s *source) answer(ctx context.Context, api *codecommit.Client, p codecommit.Pull, open bool) error {
	asked := labels(p)
	for try := 1; ; try++ {
		err := s.approve(ctx, api, p, open)
		if !errors.Is(err, codecommit.ErrStale) || try == lookAgain {
			return err
		}
		if p, err = api.Pull(ctx, s.from.Repository, p.ID); err != nil {
			return err
		}
		switch {
		case !p.Open:
			return nil
		case open && !slices.Equal(labels(p), asked):
			return fmt.Errorf("the title of #%s has changed while the gate was asked, and it is not approved; run this again", p.ID)
		}
	}
}

// approve does it once, and only if it is not so already: each approval is an event of its own.
func (s *source) approve(ctx context.Context, api *codecommit.Client, p codecommit.Pull, open bool) error {
	if open {
		may, err := s.mayApprove(ctx, api, p)
		if err != nil {
			return err
		}
		open = may
	}
	by, err := s.ours(ctx, api, p)
	if err != nil || open == (len(by) > 0) {
		return err
	}
	if err := api.Approve(ctx, s.from.Repository, p, open); err != nil || open {
		return err
	}
	for try := 1; ; try++ {
		by, err := s.ours(ctx, api, p)
		if err != nil || len(by) == 0 {
			return err
		}
		if try == lookAgain {
			return fmt.Errorf("#%s is still approved by %s, which this build could not take back; revoke that by hand, and set %s, so that every build is the same to CodeCommit",
				p.ID, strings.Join(by, ", "), roleVariable)
		}
		if err := s.clock.Wait(ctx, s.clock.Now().Add(lookPause)); err != nil {
			return err
		}
	}
}

// ours are the approvals of a pull request by sessions of our role.
func (s *source) ours(ctx context.Context, api *codecommit.Client, p codecommit.Pull) ([]string, error) {
	me, err := api.Me(ctx)
	if err != nil {
		return nil, err
	}
	by, err := api.Approvals(ctx, s.from.Repository, p)
	return slices.DeleteFunc(by, func(arn string) bool { return !codecommit.SameRole(arn, me) }), err
}

// mayApprove reports whether our approval would say what it is to say: it must count for the rule that waits for it, and for
// no other. A rule that takes anybody's approval would take ours for a person's.
func (s *source) mayApprove(ctx context.Context, api *codecommit.Client, p codecommit.Pull) (bool, error) {
	me, err := api.Me(ctx)
	if err != nil {
		return false, err
	}
	name, waits, why := s.env.Get(ruleVariable), false, ""
	for _, r := range p.Rules {
		switch {
		case r.Name == name:
			waits = true
			if !r.Counts(me) {
				why = fmt.Sprintf("its approval rule %q does not count %s", name, me)
			}
		case r.Counts(me):
			why = fmt.Sprintf("its approval rule %q would take that for a person's approval; give it a pool without %s", r.Name, me)
		}
	}
	if !waits {
		why = fmt.Sprintf("it has no approval rule %q that would wait for that", name)
	}
	if why != "" {
		s.ruled.Do(func() {
			s.out.Annotate(core.Annotation{Title: "Approval", Message: fmt.Sprintf("Breakwater does not approve #%s: %s. The same may be true of others.", p.ID, why)})
		})
	}
	return why == "", nil
}
