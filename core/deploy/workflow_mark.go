package deploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v60/github"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/github"
)

// A mark tells what a run is for. The input breakwater carries it, and the workflow puts it into its run-name: nothing
// else that GitHub shows of a run says what it was started with.
type mark struct {
	rollout, target string
	attempt         int
	does            string // digest of the version and of the way, forwards or back
}

func markOf(act core.Act) mark {
	does := sha256.Sum256(fmt.Appendf(nil, "%t %s", act.Rollback, act.Version))
	return mark{act.Rollout, act.Target.Name, act.Attempt, hex.EncodeToString(does[:4])}
}

// String is the form that stands in a run's name. Names of rollouts and targets have no slash.
func (m mark) String() string {
	return fmt.Sprintf("%s/%s/%d/%s", m.rollout, m.target, m.attempt, m.does)
}

// readMark finds the mark of a rollout in a run's name, wherever it stands in there. A version beside it may look like one.
func readMark(title, rollout string) (mark, bool) {
	words := strings.FieldsFunc(title, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-/", r))
	})
	for _, word := range words {
		if m, ok := parseMark(word); ok && m.rollout == rollout {
			return m, true
		}
	}
	return mark{}, false
}

// parseMark reads what [mark.String] wrote.
func parseMark(text string) (mark, bool) {
	parts := strings.Split(text, "/")
	if len(parts) != 4 {
		return mark{}, false
	}
	attempt, err := strconv.Atoi(parts[2])
	return mark{parts[0], parts[1], attempt, parts[3]}, err == nil
}

// A marked is a run whose name has a mark.
type marked struct {
	*gh.WorkflowRun
	mark mark
}

// marked are the runs of a rollout for one target, newest first. It reads on as long as there are any of the rollout.
func (w *workflow) marked(ctx context.Context, act core.Act) ([]marked, error) {
	var found []marked
	opts := &gh.ListWorkflowRunsOptions{Event: "workflow_dispatch", ExcludePullRequests: true, ListOptions: gh.ListOptions{Page: 1, PerPage: 100}}
	for more := true; more; opts.Page++ {
		page, _, err := w.api.Actions.ListWorkflowRunsByFileName(ctx, w.api.Owner, w.api.Name, w.Workflow.Workflow, opts)
		if err != nil {
			return nil, github.Refused(fmt.Sprintf("show the runs of %s of %s", w.Workflow.Workflow, w.api.Repository()), mayStart, err)
		}
		more = false
		for _, run := range page.WorkflowRuns {
			if m, ok := readMark(run.GetDisplayTitle(), act.Rollout); ok {
				more = len(page.WorkflowRuns) == opts.PerPage
				if m.target == act.Target.Name {
					found = append(found, marked{run, m})
				}
			}
		}
	}
	return found, nil
}

// leftover returns the run with which an earlier attempt, that was cut off, does what the act asks for; nil if none
// does. What else such an attempt has left going on the target is stopped first. newest is the last run so far.
func (w *workflow) leftover(ctx context.Context, act core.Act) (going *gh.WorkflowRun, newest int64, err error) {
	if act.Attempt <= 1 && !act.Rollback {
		return nil, 0, nil // nothing was done to the target in this rollout
	}
	runs, err := w.marked(ctx, act)
	if err != nil {
		return nil, 0, err
	}
	does := markOf(act).does
	for _, run := range runs {
		newest = max(newest, run.GetID())
		switch {
		case run.GetStatus() == completed:
		case run.mark.does == does && going == nil:
			going = run.WorkflowRun
		default:
			if err := w.stop(ctx, run.WorkflowRun); err != nil {
				return nil, 0, fmt.Errorf("an earlier run is still at work on %s: %w", act.Target.Name, err)
			}
		}
	}
	return going, newest, nil
}

// seek looks for a run that an act has started, or may have: one with its mark that is newer than those before. When ctx
// ends meanwhile, or has ended, it still looks for a moment: what was started must be cancelled.
func (w *workflow) seek(ctx context.Context, act core.Act, newest int64) (*gh.WorkflowRun, error) {
	live := ctx.Err() == nil
	found, err := w.appears(ctx, act, newest)
	if found == nil && live && ctx.Err() != nil {
		found, err = w.appears(ctx, act, newest)
	}
	return found, err
}

// appears looks a few times, since a run shows a little later.
func (w *workflow) appears(ctx context.Context, act core.Act, newest int64) (*gh.WorkflowRun, error) {
	ctx, pauses, cancel := aftermath(ctx)
	defer cancel()
	for _, pause := range pauses {
		if err := w.clock.Wait(ctx, w.clock.Now().Add(pause)); err != nil {
			return nil, err
		}
		runs, err := w.marked(ctx, act)
		if err != nil {
			return nil, err
		}
		for _, run := range runs {
			if run.mark == markOf(act) && run.GetID() > newest {
				return run.WorkflowRun, nil
			}
		}
	}
	return nil, nil
}

// declared are the names of all inputs that a run is given.
func (w *workflow) declared() []string {
	return slices.Sorted(maps.Keys(w.inputs(core.Act{})))
}
