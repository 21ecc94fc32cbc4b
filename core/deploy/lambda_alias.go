package deploy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/breakwater-ci/breakwater/core/aws"
)

// aliased is what an alias is at one moment.
type aliased struct {
	version  string
	weights  map[string]float64 // shares of the traffic that other versions get
	revision string
	routed   routed
}

// only reports whether all traffic goes to one version.
func (a aliased) only(version string) bool { return a.version == version && len(a.weights) == 0 }

// String says where the traffic goes.
func (a aliased) String() string {
	text := a.version
	for version, share := range a.weights {
		text += fmt.Sprintf(", and %g%% to %s", share*100, version)
	}
	return text
}

// A routed is what the description of an alias says that Breakwater has done to it last. The zero value: nothing.
type routed struct {
	mark
	over, put string // the versions before the rollout, and now or soon
}

// String is the form that stands in the description. People read it too.
func (r routed) String() string {
	return fmt.Sprintf("Breakwater %s: %s over %s", r.mark, r.put, r.over)
}

var isRouted = regexp.MustCompile(`^Breakwater (\S+): ([0-9]+) over ([0-9]+)$`)

func readRouted(description string) routed {
	parts := isRouted.FindStringSubmatch(description)
	if parts == nil {
		return routed{}
	}
	m, ok := parseMark(parts[1])
	if !ok {
		return routed{}
	}
	return routed{mark: m, put: parts[2], over: parts[3]}
}

func (s *shift) look(ctx context.Context) (aliased, error) {
	got, err := s.api.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: &s.of, Name: &s.alias})
	if err != nil {
		return aliased{}, err
	}
	is := aliased{version: sdk.ToString(got.FunctionVersion), revision: sdk.ToString(got.RevisionId), routed: readRouted(sdk.ToString(got.Description))}
	if got.RoutingConfig != nil {
		is.weights = got.RoutingConfig.AdditionalVersionWeights
	}
	return is, nil
}

// write changes the alias if it is still as we last saw it. Weights that are not sent would stay, so none are sent as an
// empty map. Where AWS finds another alias than we did, it is looked at again: an answer that was lost is no trouble, and
// what somebody else has done is never overwritten.
func (s *shift) write(ctx context.Context, version string, weights map[string]float64) error {
	if weights == nil {
		weights = map[string]float64{}
	}
	note := routed{mark: shortMark(s.act), over: s.over, put: s.put}.String()
	s.began = true
	got, err := s.api.UpdateAlias(ctx, &lambda.UpdateAliasInput{
		FunctionName: &s.of, Name: &s.alias, FunctionVersion: &version, Description: &note, RevisionId: &s.is.revision,
		RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: weights},
	})
	if err == nil {
		s.wrote = true
		s.is = aliased{version: version, weights: weights, revision: sdk.ToString(got.RevisionId), routed: readRouted(note)}
		return nil
	}
	if aws.Code(err) != "PreconditionFailedException" {
		return err
	}
	return s.reconsider(ctx, version, weights, note, err)
}

// reconsider looks at an alias that is not as we last saw it.
func (s *shift) reconsider(ctx context.Context, version string, weights map[string]float64, note string, refused error) error {
	var now aliased
	for _, pause := range pauses {
		var err error
		if now, err = s.look(ctx); err != nil {
			return errors.Join(refused, err)
		}
		if now.revision != s.is.revision {
			break
		}
		if err := s.env.Clock.Wait(ctx, s.env.Clock.Now().Add(pause)); err != nil {
			return errors.Join(refused, err)
		}
	}
	if now.version == version && maps.Equal(now.weights, weights) && now.routed == readRouted(note) {
		s.is, s.wrote = now, true
		return nil
	}
	return moved{fmt.Sprintf("somebody else has changed %s meanwhile: it has %s now, and is left so; see who deploys to it", s, now), refused}
}

// A moved says that an alias is not what we saw. Nothing was written.
type moved struct {
	text string
	err  error
}

func (m moved) Error() string { return m.text }
func (m moved) Unwrap() error { return m.err }

// latest is what changes with every update of a function.
const latest = "$LATEST"

// foreign reports whether the alias has what could not be put back, or somebody else is at work on it, or has been since the
// rollout was.
func (s *shift) foreign() error {
	r := s.is.routed
	if s.is.version == latest {
		return fmt.Errorf("%s has %s, which nobody could put back: give it a published version first", s, latest)
	}
	ours := r.rollout != "" && lineOf(r.rollout) == lineOf(shortRollout(s.act.Rollout))
	for version := range s.is.weights {
		if !ours || version != r.put || s.is.version != r.over {
			return fmt.Errorf("somebody else is shifting %s: it has %s; nothing was done: wait until that is over, or end it", s, s.is)
		}
	}
	if s.act.Rollback && s.ours() && s.is.version != r.over && s.is.version != r.put {
		return fmt.Errorf("somebody else has deployed to %s since: it has %s, not %s; nothing was done: see whether that is good", s, s.is, r.put)
	}
	return nil
}
