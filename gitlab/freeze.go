package gitlab

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/gitlab"
)

var _ core.Freezer = (*Forge)(nil)

// freezes are the freeze periods of the project, asked for once.
type freezes struct {
	sync.Mutex
	asked bool
	core.Calendar
}

// Freezes implements [core.Freezer]. CI_DEPLOY_FREEZE is set or not when a pipeline is created, so it is out of date in a
// job that is delayed, retried or played by hand: what counts is what the API says now. Without a token that may ask, a
// pipeline that was created in a freeze stays in it, for nobody knows that it has ended; of one that was not, the log says
// that a freeze since then would not be seen.
func (f *Forge) Freezes(ctx context.Context) (core.Calendar, error) {
	f.freezes.Lock()
	defer f.freezes.Unlock()
	if f.freezes.asked {
		return f.freezes.Calendar, nil
	}
	api, err := f.api()
	if err != nil {
		return f.freezeOfThen("GitLab cannot be asked for freeze periods (" + err.Error() + ")")
	}
	if api.ByJob() {
		return f.freezeOfThen("the job's own token may not ask for GitLab's freeze periods")
	}
	periods, err := api.FreezePeriods(ctx)
	switch {
	case gitlab.Code(err) == http.StatusForbidden:
		return f.freezeOfThen("BREAKWATER_TOKEN may not ask for GitLab's freeze periods")
	case err != nil:
		return nil, api.Refused("show the freeze periods", readScope, err)
	case len(periods) > 0:
		if f.freezes.Calendar, err = gitlab.Frozen(periods, f.out.clock.Now()); err != nil {
			return nil, err
		}
	}
	f.freezes.asked = true
	return f.freezes.Calendar, nil
}

// freezeOfThen is what is known where nobody may ask.
func (f *Forge) freezeOfThen(why string) (core.Calendar, error) {
	const remedy = "Set BREAKWATER_TOKEN to a project access token with " + readScope + " and the role Reporter to have them asked for"
	if f.env.Get("CI_DEPLOY_FREEZE") != "" {
		return nil, errors.New("CI_DEPLOY_FREEZE says that the pipeline was created in a freeze, and " + why + ", so it may still be on; run a new pipeline when it is over. " + remedy)
	}
	f.freezes.asked = true
	f.out.Annotate(core.Annotation{Title: "Freeze", Message: "The pipeline was not created in a freeze; one that has begun since then is not seen, as " + why + ". " + remedy + "."})
	return nil, nil
}
