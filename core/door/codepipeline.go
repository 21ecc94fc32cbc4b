package door

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline"
	"github.com/aws/aws-sdk-go-v2/service/codepipeline/types"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/aws"
)

// A stage is the way into a stage of a pipeline of CodePipeline. What is in the stage already goes on.
type stage struct {
	pipeline, name string
	line           core.Line
	session        *aws.Session

	state   aws.Call[codepipeline.GetPipelineStateInput, codepipeline.GetPipelineStateOutput, codepipeline.Options]
	enable  aws.Call[codepipeline.EnableStageTransitionInput, codepipeline.EnableStageTransitionOutput, codepipeline.Options]
	disable aws.Call[codepipeline.DisableStageTransitionInput, codepipeline.DisableStageTransitionOutput, codepipeline.Options]
}

// stageForm is what CodePipeline takes for the names of a pipeline and of a stage.
var stageForm = regexp.MustCompile(`^//([A-Za-z0-9.@_-]{1,100})/([A-Za-z0-9.@_-]{1,100})$`)

func openStage(ctx context.Context, place string, line core.Line, env aws.Env) (core.Door, error) {
	where, query, _ := strings.Cut(place, "?")
	named := stageForm.FindStringSubmatch(where)
	if named == nil {
		return nil, fmt.Errorf("%q is no stage of a pipeline; write codepipeline://PIPELINE/STAGE", where)
	}
	who, _, err := aws.FromQuery(query)
	if err != nil {
		return nil, err
	}
	session, err := aws.Open(ctx, who, env)
	if err != nil {
		return nil, err
	}
	api := codepipeline.NewFromConfig(session.Config)
	return &stage{
		pipeline: named[1], name: named[2], line: line, session: session,
		state: api.GetPipelineState, enable: api.EnableStageTransition, disable: api.DisableStageTransition,
	}, nil
}

// Look implements [core.Door].
func (s *stage) Look(ctx context.Context) (core.Doorway, error) {
	if err := s.session.Verify(ctx); err != nil {
		return core.Doorway{}, err
	}
	got, err := s.state(ctx, &codepipeline.GetPipelineStateInput{Name: &s.pipeline})
	if err != nil {
		return core.Doorway{}, aws.Refused("show the pipeline "+s.pipeline, "codepipeline:GetPipelineState on the pipeline "+s.pipeline, err)
	}
	var names []string
	for _, is := range got.StageStates {
		names = append(names, sdk.ToString(is.StageName))
		if sdk.ToString(is.StageName) != s.name {
			continue
		}
		t := is.InboundTransitionState
		if t == nil {
			return core.Doorway{}, fmt.Errorf("nothing leads into the stage %s of the pipeline %s: name one that comes after another", s.name, s.pipeline)
		}
		why := sdk.ToString(t.DisabledReason)
		return core.Doorway{
			Open: t.Enabled, Since: sdk.ToTime(t.LastChangedAt), By: sdk.ToString(t.LastChangedBy),
			Ours: !t.Enabled && strings.HasPrefix(why, s.sign()), Why: why,
		}, nil
	}
	return core.Doorway{}, fmt.Errorf("the pipeline %s has no stage %s; it has %s", s.pipeline, s.name, strings.Join(names, ", "))
}

// Open implements [core.Door].
func (s *stage) Open(ctx context.Context) error {
	_, err := s.enable(ctx, &codepipeline.EnableStageTransitionInput{
		PipelineName: &s.pipeline, StageName: &s.name, TransitionType: types.StageTransitionTypeInbound,
	})
	return s.refused("open", "codepipeline:EnableStageTransition", err)
}

// Shut implements [core.Door].
func (s *stage) Shut(ctx context.Context, was core.Doorway, why string) error {
	reason := s.reason(why)
	if was.Ours && was.Why == reason {
		return nil
	}
	_, err := s.disable(ctx, &codepipeline.DisableStageTransitionInput{
		PipelineName: &s.pipeline, StageName: &s.name, TransitionType: types.StageTransitionTypeInbound, Reason: &reason,
	})
	return s.refused("shut", "codepipeline:DisableStageTransition", err)
}

func (s *stage) refused(do, action string, err error) error {
	if err == nil {
		return nil
	}
	return aws.Refused(fmt.Sprintf("%s the way into the stage %s of the pipeline %s", do, s.name, s.pipeline),
		fmt.Sprintf("%s on the stage %s of the pipeline %s", action, s.name, s.pipeline), err)
}

// sign begins every reason that the line gives, so that it opens nothing that somebody else has shut. The sum tells lines
// apart whose names CodePipeline would not.
func (s *stage) sign() string {
	sum := sha256.Sum256([]byte(s.line.String()))
	return "Breakwater " + hex.EncodeToString(sum[:4]) + " "
}

const longestReason = 300

// illegal is what CodePipeline does not take in a reason.
var illegal = regexp.MustCompile(`[^a-zA-Z0-9!@ ().*?-]+`)

// reason is why the stage is shut, as far as CodePipeline takes that: few signs, and not many.
func (s *stage) reason(why string) string {
	text := s.sign() + illegal.ReplaceAllString(s.line.String()+". "+why, "-")
	return strings.TrimSpace(text[:min(len(text), longestReason)])
}
