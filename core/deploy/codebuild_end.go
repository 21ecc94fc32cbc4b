package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"

	"github.com/breakwater-ci/breakwater/core/shell"
)

// errUnshown says that CodeBuild does not show a build. A new one shows a little late.
var errUnshown = errors.New("CodeBuild does not show the build")

// await waits until a build is over, and keeps what CodeBuild shows of it up to date.
func (b *building) await(ctx context.Context, is *types.Build) error {
	unseen := len(pauses)
	for pause := firstLook; !is.BuildComplete; pause = min(pause*3/2, longestLook) {
		if err := b.env.Clock.Wait(ctx, b.env.Clock.Now().Add(pause)); err != nil {
			return err
		}
		err := b.look(ctx, is)
		if errors.Is(err, errUnshown) && unseen > 0 {
			unseen--
			continue
		}
		if err != nil {
			return said(err)
		}
	}
	return nil
}

func (b *building) look(ctx context.Context, is *types.Build) error {
	got, err := b.api.BatchGetBuilds(ctx, &codebuild.BatchGetBuildsInput{Ids: []string{sdk.ToString(is.Id)}})
	if err != nil {
		return err
	}
	if len(got.Builds) == 0 {
		return errUnshown
	}
	*is = got.Builds[0]
	return nil
}

// halt stops the build of an act that was cut off, or that nobody can follow. There is no error if it was faster.
func (b *building) halt(ctx context.Context, is *types.Build, why error) error {
	if ctx.Err() != nil {
		why = stopped(ctx)
	}
	was := cmp.Or(sdk.ToString(is.CurrentPhase), "not looked at yet")
	err := b.stop(ctx, is)
	switch {
	case err != nil:
		return fmt.Errorf("%w, while build %s was %s; before anything else is put on %s: %w", why, sdk.ToString(is.Id), was, b.act.Target.Name, err)
	case is.BuildStatus == types.StatusTypeSucceeded:
		return nil
	default:
		return fmt.Errorf("%w, while build %s was %s; it ended with %s%s", why, sdk.ToString(is.Id), was, is.BuildStatus, logs(is))
	}
}

// stop stops a build and returns once it is over. The error says that this could not be confirmed.
func (b *building) stop(ctx context.Context, is *types.Build) error {
	ctx, pauses, cancel := aftermath(ctx)
	defer cancel()
	_, asked := b.api.StopBuild(ctx, &codebuild.StopBuildInput{Id: is.Id})
	for n := 0; ; n++ {
		err := b.look(ctx, is)
		if err == nil && is.BuildComplete {
			return nil
		}
		if n == len(pauses) || b.env.Clock.Wait(ctx, b.env.Clock.Now().Add(pauses[n])) != nil {
			if asked == nil {
				asked = err
			}
			return errors.Join(fmt.Errorf("nobody knows that build %s has stopped: see to that in CodeBuild%s", sdk.ToString(is.Id), logs(is)), said(asked))
		}
	}
}

// conclude judges a build that is over.
func (b *building) conclude(is *types.Build) error {
	if is.BuildStatus != types.StatusTypeSucceeded {
		return fmt.Errorf("build %s ended with %s%s%s", sdk.ToString(is.Id), is.BuildStatus, phases(is), logs(is))
	}
	if got := sdk.ToString(is.SourceVersion); b.source != "" && got != b.source {
		return fmt.Errorf("build %s has succeeded, and was of %q instead of %q%s", sdk.ToString(is.Id), got, b.source, logs(is))
	}
	b.tell("build %s has succeeded%s", sdk.ToString(is.Id), logs(is))
	return nil
}

// phases says in which phases of a build something went wrong, and what.
func phases(is *types.Build) string {
	var w strings.Builder
	for _, phase := range is.Phases {
		if phase.PhaseStatus == "" || phase.PhaseStatus == types.StatusTypeSucceeded || phase.PhaseStatus == types.StatusTypeInProgress {
			continue
		}
		fmt.Fprintf(&w, "; %s: %s", phase.PhaseType, phase.PhaseStatus)
		for _, c := range phase.Contexts {
			if code, message := sdk.ToString(c.StatusCode), shell.OneLine(sdk.ToString(c.Message)); code+message != "" {
				fmt.Fprintf(&w, ": %s", strings.Trim(code+": "+message, ": "))
			}
		}
	}
	return w.String()
}

// logs says where the log of a build is; nothing if it has none.
func logs(is *types.Build) string {
	if is.Logs == nil {
		return ""
	}
	if link := cmp.Or(sdk.ToString(is.Logs.DeepLink), sdk.ToString(is.Logs.S3DeepLink)); link != "" {
		return "; its log: " + shell.OneLine(link)
	}
	return ""
}
