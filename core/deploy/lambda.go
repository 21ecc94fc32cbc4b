package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/shell"

	"github.com/breakwater-ci/breakwater/core/aws"
)

// A function is the driver that sends the traffic of an alias of a Lambda function to the version that is asked for.
//
// What it has done, and what was there before, stands in the description of the alias, see [routed]. So a later process
// can end it, and a rollback puts back what was there, whoever had published that.
type function struct {
	core.Lambda
	amazon
	publishing chan struct{} // held by who changes the code of a function
}

func openLambda(options any, env Env) (core.Driver, error) {
	o, ok := options.(*core.Lambda)
	if !ok || o == nil {
		return nil, fmt.Errorf("the driver aws-lambda takes a *core.Lambda, not %T", options)
	}
	return &function{Lambda: *o, amazon: amazon{AWS: o.AWS, env: env}, publishing: make(chan struct{}, 1)}, nil
}

// Deploy moves the traffic of one alias. An act that is cut off, or that fails half way, gives all of it back to the
// version that was there before.
func (f *function) Deploy(ctx context.Context, act core.Act) (string, error) {
	ctx, cancel := within(ctx, f.env.Timeout)
	defer cancel()
	s := &shift{function: f, act: act}
	err := s.open(ctx)
	if err == nil {
		err = s.run(ctx)
	}
	if err != nil && ctx.Err() != nil && !s.began {
		err = fmt.Errorf("%w, and nothing was shifted: %w", stopped(ctx), said(err))
	}
	if err != nil {
		err = said(err)
		s.tell("%v", err)
	}
	return f.env.Shell.Redact(strings.Join(s.output, "\n")), redact(f.env.Shell, err)
}

// A shift is one act on an alias.
type shift struct {
	*function
	act    core.Act
	api    lambdaCalls
	of     string // the function
	alias  string
	is     aliased // what the alias was when we last saw it
	put    string  // the version that it is to have
	over   string  // the version that it had before this rollout
	began  bool    // something was, or may have been, written
	wrote  bool    // something was
	output []string
}

func (s *shift) open(ctx context.Context) error {
	if err := fillAll(s.act, map[*string]string{&s.of: s.Function, &s.alias: s.Alias}); err != nil {
		return err
	}
	way, err := s.way(ctx, s.act)
	if err != nil {
		return err
	}
	s.api = lambdaCallsOf(way)
	return nil
}

// lambdaCalls are what is asked of Lambda.
type lambdaCalls struct {
	GetAlias                 aws.Call[lambda.GetAliasInput, lambda.GetAliasOutput, lambda.Options]
	UpdateAlias              aws.Call[lambda.UpdateAliasInput, lambda.UpdateAliasOutput, lambda.Options]
	GetFunctionConfiguration aws.Call[lambda.GetFunctionConfigurationInput, lambda.GetFunctionConfigurationOutput, lambda.Options]
	UpdateFunctionCode       aws.Call[lambda.UpdateFunctionCodeInput, lambda.UpdateFunctionCodeOutput, lambda.Options]
	PublishVersion           aws.Call[lambda.PublishVersionInput, lambda.PublishVersionOutput, lambda.Options]
	versions                 listVersions
}

func lambdaCallsOf(way sdk.Config) lambdaCalls {
	api := lambda.NewFromConfig(way)
	return lambdaCalls{
		GetAlias:                 api.GetAlias,
		UpdateAlias:              api.UpdateAlias,
		GetFunctionConfiguration: api.GetFunctionConfiguration,
		UpdateFunctionCode:       api.UpdateFunctionCode,
		PublishVersion:           api.PublishVersion,
		versions:                 api.ListVersionsByFunction,
	}
}

// listVersions is a call whose answer has pages.
type listVersions aws.Call[lambda.ListVersionsByFunctionInput, lambda.ListVersionsByFunctionOutput, lambda.Options]

// ListVersionsByFunction implements [lambda.ListVersionsByFunctionAPIClient].
func (l listVersions) ListVersionsByFunction(ctx context.Context, in *lambda.ListVersionsByFunctionInput, o ...func(*lambda.Options)) (*lambda.ListVersionsByFunctionOutput, error) {
	return l(ctx, in, o...)
}

// run looks before it touches anything, moves the traffic, and proves it. Where the first look turns out to have been out of
// date it looks again, and decides anew.
func (s *shift) run(ctx context.Context) error {
	err := s.decide(ctx)
	for range rereads {
		if _, changed := errors.AsType[moved](err); !changed || s.wrote {
			break
		}
		err = s.decide(ctx)
	}
	if err == nil {
		err = s.prove(ctx)
	}
	if err != nil && s.began {
		return s.end(ctx, err)
	}
	return err
}

// rereads is how often an act decides anew.
const rereads = 3

// decide looks at the alias and does what that asks for. Also an alias that seems to have the version already is written:
// that tells whether it still is what we saw.
func (s *shift) decide(ctx context.Context) error {
	var err error
	if s.is, err = s.look(ctx); err != nil {
		return err
	}
	if err := s.foreign(); err != nil {
		return err
	}
	if s.put, err = s.wanted(ctx); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	s.over = s.is.version
	if s.ours() {
		s.over = s.is.routed.over
	}
	return s.move(ctx)
}

// ours reports whether the rollout of the act has changed the alias before, and nobody has said otherwise since.
func (s *shift) ours() bool { return s.is.routed.rollout == shortRollout(s.act.Rollout) }

// wanted is the version of the function that the act asks for. A rollback puts back what the rollout has replaced, unless a
// person has named another version.
func (s *shift) wanted(ctx context.Context) (string, error) {
	if s.act.Rollback && !s.act.Named && s.ours() {
		return s.is.routed.over, nil
	}
	return s.resolve(ctx)
}

// move gives the new version its shares of the traffic, one after the other, and then all. A rollback has no steps; an
// attempt after a cut goes on at the share that it finds.
func (s *shift) move(ctx context.Context) error {
	for _, step := range s.Steps {
		share := float64(step)
		if s.act.Rollback || s.is.only(s.put) || share < s.is.weights[s.put] {
			continue
		}
		if share != s.is.weights[s.put] {
			if err := s.write(ctx, s.is.version, map[string]float64{s.put: share}); err != nil {
				return err
			}
		}
		s.tell("%s sends %g%% to %s", s, share*100, s.put)
		if err := s.env.Clock.Wait(ctx, s.env.Clock.Now().Add(s.Pause)); err != nil {
			return err
		}
	}
	return s.write(ctx, s.put, nil)
}

// prove looks at the alias until it shows what was written. A look may show what was there a moment ago.
func (s *shift) prove(ctx context.Context) error {
	ctx, pauses, cancel := aftermath(ctx)
	defer cancel()
	for n := 0; ; n++ {
		is, err := s.look(ctx)
		if err == nil && is.only(s.put) {
			s.tell("%s has %s, before it %s", s, s.put, s.over)
			return nil
		}
		if n == len(pauses) || s.env.Clock.Wait(ctx, s.env.Clock.Now().Add(pauses[n])) != nil {
			if err != nil {
				return fmt.Errorf("nobody knows which version %s has: %w", s, said(err))
			}
			return fmt.Errorf("%s has %s, although it was given %s", s, is, s.put)
		}
	}
}

// end takes back what the act has begun and not finished. There is no error if the act was faster than what cut it off.
func (s *shift) end(ctx context.Context, why error) error {
	cut := ctx.Err() != nil
	if cut {
		why = stopped(ctx)
	}
	ctx, _, cancel := aftermath(ctx)
	defer cancel()
	is, err := s.look(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("%w; nobody knows where %s sends its traffic: look at it before anything else is put on %s: %w", why, s, s.act.Target.Name, said(err))
	case is.only(s.put) && cut:
		s.tell("%s has %s", s, s.put)
		return nil
	case is.routed.mark != shortMark(s.act) || len(is.weights) == 0:
		return why // it is as it was, or somebody else's
	}
	s.is = is
	if err := s.write(ctx, s.over, nil); err != nil {
		return fmt.Errorf("%w; %s goes on with %s, and could not be given back to %s: %w", why, s, is, s.over, said(err))
	}
	return fmt.Errorf("%w; %s has %s again", why, s, s.over)
}

// tell notes what happened, for people.
func (s *shift) tell(format string, args ...any) {
	s.output = append(s.output, shell.OneLine(fmt.Sprintf(format, args...)))
}

// String is the alias as people know it.
func (s *shift) String() string { return s.of + ":" + s.alias }
