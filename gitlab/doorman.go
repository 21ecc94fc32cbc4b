package gitlab

import (
	"context"
	"fmt"
	"net/http"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab"
)

var _ core.Doorman = (*Forge)(nil)

// A merge is a merge request that a change is.
type merge struct {
	iid  int
	head string // the newest commit of its source branch
}

func (f *Forge) remember(change string, m merge) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.merges == nil {
		f.merges = make(map[string]merge)
	}
	f.merges[change] = m
}

// Answer implements [core.Doorman] by an external status check. A project whose tier has none, or a token that may not
// answer, is said once: the status of the commit says the same. That the branch has moved on is no failure: the pipeline of
// its newest commit answers for that.
func (f *Forge) Answer(ctx context.Context, check int, c core.Change, s core.StatusState) error {
	api, err := f.api()
	if err != nil {
		return err
	}
	if api.ByJob() {
		f.untold(check, "it takes none from a job's own token")
		return nil
	}
	f.mu.Lock()
	m, known := f.merges[c.Name]
	f.mu.Unlock()
	if !known {
		return fmt.Errorf("%q is no merge request that an external status check could be told of", c.Name)
	}
	said := map[core.StatusState]string{core.StatusSuccess: "passed", core.StatusFailure: "failed"}[s]
	if said == "" {
		said = "pending"
	}
	err = api.AnswerCheck(ctx, m.iid, check, m.head, said)
	switch gitlab.Code(err) {
	case http.StatusForbidden, http.StatusNotFound:
		f.untold(check, err.Error())
		return nil
	case http.StatusConflict:
		f.out.Annotate(core.Annotation{Title: "Status check", Message: fmt.Sprintf("GitLab takes no answer for commit %s of %s: %s. The pipeline of its newest commit answers.", m.head, c.Name, err)})
		return nil
	}
	if err != nil {
		return api.Refused(fmt.Sprintf("take the answer for external status check %d of %s", check, c.Name), writeScope, err)
	}
	return nil
}

// untold says once that a check gets no answer.
func (f *Forge) untold(check int, why string) {
	f.untaken.Do(func() {
		f.out.Annotate(core.Annotation{Title: "Status check", Message: fmt.Sprintf("GitLab takes no answer for external status check %d: %s. Is it one of this project, "+
			"which has GitLab Ultimate? BREAKWATER_TOKEN needs %s.", check, why, writeScope)})
	})
}
