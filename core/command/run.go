package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/config"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/report"
)

// ledgerFlag is where the state is.
type ledgerFlag struct {
	Ledger string `help:"Where the state is kept: file:FOLDER, git:REMOTE, github:, gitlab: or s3://BUCKET/PREFIX. Default: github: in GitHub Actions, git: in GitLab CI, file:.breakwater outside of CI." placeholder:"URL"`
}

// lineFlags are the flags of every command that looks at a line.
type lineFlags struct {
	planFlag
	ledgerFlag
	JSON bool `name:"json" help:"Print the status as JSON at the end, and progress to standard error."`
}

// rolloutFlags are the flags of every command that works on a line.
type rolloutFlags struct {
	lineFlags
	policyFlag
	showFlags
	Comment bool `help:"Also show the report on the change that the commit came from, as one comment that is kept up to date."`
}

// releaseFlags are the flags of every command that takes a version out.
type releaseFlags struct {
	rolloutFlags
	Version      string `help:"What to roll out. Default: the commit."`
	Previous     string `help:"The version to go back to. Default: the ledger's last good version, then what current prints." placeholder:"VERSION"`
	FirstRelease bool   `help:"There is no previous version: a failure halts, because there is nothing to go back to."`
	AcceptDrift  bool   `help:"Roll out over targets that do not run what the ledger says. Needs --reason."`
	Emergency    bool   `help:"The plan's fast lane: shorter bakes, windows passed; never fewer checks. Needs --reason."`
	Reason       string `help:"Why drift is accepted, or why it is an emergency. It is in the ledger and in every report." placeholder:"TEXT"`
}

// waitFlag is how a command waits that bakes.
type waitFlag struct {
	Wait string `help:"How to wait for a bake: inline, the process waits; park, it ends and tick looks at the bake; leave, it ends and a later job of the pipeline goes on. Default: as the plan says." enum:",inline,park,leave" default:"" placeholder:"HOW"`
}

// waitLeave parks a bake without a mark for ticks: who comes back for it is known.
const waitLeave core.Wait = "leave"

type runCmd struct {
	releaseFlags
	waitFlag
	Resume  bool   `help:"Begin no rollout: only go on with the one of this version that is under way. For the later jobs of a pipeline."`
	Through string `help:"Go no further than to the end of this wave's bake, by name or by number from 1; where that has passed there is nothing to do. Default: through all." placeholder:"WAVE"`
}

// Run takes a version as far as it goes.
func (c *runCmd) Run(ctx context.Context, s *ship) error {
	l, err := s.load(ctx, c.Plan, s.lookup)
	if err != nil {
		return err
	}
	ask, err := c.request(ctx, s, l)
	if err != nil {
		return err
	}
	s.wait = core.Wait(c.Wait)
	done := func(r *core.Rollout) bool {
		onItsWay := r.State == core.StateDeploying || r.State == core.StateHalted
		return outOrParked(r) || c.Through != "" && onItsWay && waveFlag{c.Through}.passed(r)
	}
	return s.rollOut(ctx, l, c.rolloutFlags, task{done: done, work: func(e *engine.Engine, show *console) (*core.Rollout, error) {
		req := ask(show)
		req.Through, req.Resume = c.Through, c.Resume
		return e.Run(ctx, req)
	}})
}

// request is what the flags ask of an engine; what is found wanting in the plan is for the console to show.
func (c *releaseFlags) request(ctx context.Context, s *ship, l *loaded) (func(*console) engine.Request, error) {
	if c.Previous != "" && c.FirstRelease {
		return nil, usage{errors.New("--previous and --first-release contradict each other: pass one of them")}
	}
	emergency, err := c.override(ctx, s, l, c.Emergency, core.OverrideEmergency)
	if err != nil {
		return nil, err
	}
	drift, err := c.override(ctx, s, l, c.AcceptDrift, core.OverrideDrift)
	if err != nil {
		return nil, err
	}
	version, err := s.version(ctx, c.Version, s.forge.Job())
	if err != nil {
		return nil, err
	}
	return func(show *console) engine.Request {
		return engine.Request{
			Version: version, Previous: c.Previous, FirstRelease: c.FirstRelease, AcceptDrift: drift, Emergency: emergency, PlanFile: l.file, PlanText: l.text,
			Elsewhere: s.registered(c.showFlags, l, version, show.Say),
			Waves: func(ctx context.Context) ([]core.StartWave, error) {
				waves, err := s.waves(ctx, l)
				if err == nil {
					show.findings = counted(s.lint(l, waves, version))
				}
				if err == nil && !c.FirstRelease && l.Current != nil {
					err = s.askCurrent(ctx, l, version, waves)
				}
				return waves, err
			},
		}
	}, nil
}

// override is the reason of an override that was asked for, empty if none was. Without --emergency or --accept-drift
// --reason means nothing: a variable that another command left behind must not break jobs.
func (c *releaseFlags) override(ctx context.Context, s *ship, l *loaded, asked bool, kind core.OverrideKind) (string, error) {
	if !asked {
		return "", nil
	}
	if err := (reasonFlag{c.Reason}).check(); err != nil {
		return "", err
	}
	return c.Reason, s.mayOverride(ctx, c.policyFlag, l, kind)
}

// A task is what one command wants of an engine.
type task struct {
	work    func(*engine.Engine, *console) (*core.Rollout, error)
	done    func(*core.Rollout) bool                          // whether the command has done what it was asked
	outputs func(*engine.Engine, *core.Rollout) []core.Output // beyond those of every rollout; nil: none
}

// rollOut lets an engine work, shows what it does, and leaves the outcome behind: on paper, in outputs, with notifiers
// and as exit code.
func (s *ship) rollOut(ctx context.Context, l *loaded, f rolloutFlags, t task) error {
	book, err := s.openLedger(ctx, f.Ledger, l.dir)
	if err != nil {
		return err
	}
	admit, err := s.admit(ctx, f.policyFlag, l.dir)
	if err != nil {
		return err
	}
	for _, secret := range s.secrets() {
		s.log.Mask(secret)
	}
	show := newConsole(s, l.Plan, f.JSON)
	actor := s.actorOn(l.Plan)
	told, err := s.messengers(ctx, l.Plan, actor)
	if err != nil {
		return usage{err}
	}
	defer told.close()
	shown := s.marker(ctx, l.Plan, actor, s.displays(ctx, f.showFlags, l.dir)...)
	defer shown.close()
	e := s.engine(l, book, show)
	e.Actor, e.Admit, e.Observer = actor, admit, observers{show, told, shown, &s.looks}
	r, err := t.work(e, show)
	show.Done()
	var already engine.Already
	if errors.As(err, &already) {
		show.Say("%s", already.Error())
		r, err = already.Rollout, nil
	}
	switch {
	case err != nil && s.round != nil: // the job's commit is not the rollout's
		return err
	case err != nil:
		shown.refuse(l.Line(), err)
		return err
	case r == nil:
		return nil
	}
	if err := s.conclude(ctx, l, f, t, e, r, show, shown); err != nil {
		return err
	}
	shown.close()
	if n := requests(append(s.drivers, book, s.forge)...); n > 0 && s.round == nil {
		show.Say("Requests to the API: %d.", n)
	}
	if !t.done(r) {
		s.explain(l.file, r)
		return ended{r.State}
	}
	return nil
}

// engine is one for the line of a plan; who acts, by what policy, and who is told is left to the caller.
func (s *ship) engine(l *loaded, book core.Ledger, show *console) *engine.Engine {
	pace := paceOf(book)
	return &engine.Engine{
		Line: l.Line(), Ledger: witness{book, &s.looks}, Clock: s.Clock, Dead: dead, Jobs: s.crew(l.dir),
		Require:  func(ctx context.Context, p *core.Plan) error { return s.require(ctx, p, show.Say) },
		Warn:     func(err error) { s.tell(core.Annotation{Title: "Parking", Message: err.Error()}) },
		Unmarked: s.wait == waitLeave,
		Lease:    pace.Lease, Glance: pace.Glance, Watch: pace.Watch, Gather: pace.Gather, LastWords: 2500 * time.Millisecond,
		Equip: func(file, text string) (engine.Gear, error) {
			p, err := l.Plan, error(nil)
			if text != l.text {
				if p, err = config.Load(file, []byte(text), s.lookup, catalog()); err != nil {
					return engine.Gear{}, err
				}
				show.resumes(file, p)
			}
			for i := range p.Waves {
				switch s.wait {
				case "":
				case waitLeave:
					p.Waves[i].Bake.Wait = core.WaitPark
				default:
					p.Waves[i].Bake.Wait = s.wait
				}
			}
			return s.gear(p, l.dir)
		},
	}
}

// conclude leaves behind what became of a rollout: on the commit, in outputs and the summary, on paper.
func (s *ship) conclude(ctx context.Context, l *loaded, f rolloutFlags, t task, e *engine.Engine, r *core.Rollout, show *console, shown *marker) error {
	var more []core.Output
	if t.outputs != nil {
		more = t.outputs(e, r)
	}
	next, news := due(l.Plan, r), s.round == nil || shown.wrote
	if news {
		shown.show(r)
	}
	if s.round != nil {
		s.round.add(r, next, report.Summary(r, &s.looks, s.Clock.Now()))
	} else if err := s.publish(ctx, r, next, more); err != nil {
		return err
	}
	if f.Comment && news {
		s.comment(ctx, r, shown.commitOf(r))
	}
	switch {
	case f.JSON && s.round != nil: // printed with those of the other lines
		return nil
	case f.JSON:
		return s.print(report.NewStatus(r, next))
	default:
		return show.outcome(r)
	}
}

// explain says, where the job's mistakes are shown, why a rollout is not done and what a re-run does.
func (s *ship) explain(file string, r *core.Rollout) {
	message := r.Reason
	if failures := engine.Failures(r); failures != nil {
		message += "\n" + failures.Error()
	}
	message += "\n" + report.Advice(r)
	s.log.Annotate(core.Annotation{Error: true, Title: fmt.Sprintf("%s %s", r.Line, r.State), Message: message, File: file})
}

// requests counts how often an API was asked, by all of those who count.
func requests(all ...any) (n int) {
	for _, each := range all {
		if c, ok := each.(core.Counted); ok {
			n += c.Requests()
		}
	}
	return n
}

// paceOf is how often a ledger is used: sparingly, where every use counts.
func paceOf(book core.Ledger) core.Pace {
	var asked core.Pace
	if metered, ok := book.(core.Metered); ok {
		asked = metered.Pace()
	}
	return core.Pace{
		Lease:  cmp.Or(asked.Lease, 10*time.Minute),
		Glance: cmp.Or(asked.Glance, 15*time.Second),
		Watch:  cmp.Or(asked.Watch, 15*time.Second),
		Gather: asked.Gather,
	}
}

// outOrParked is what a run has done that took its version out, or as far as a bake that is parked.
func outOrParked(r *core.Rollout) bool {
	return r.State == core.StateSucceeded || r.State == core.StateBaking
}

// ends is what a command has done whose rollout ends in a state.
func ends(state core.State) func(*core.Rollout) bool {
	return func(r *core.Rollout) bool { return r.State == state }
}

// observers are several as one.
type observers []core.Observer

func (o observers) Recorded(r *core.Rollout, e core.Event) {
	for _, each := range o {
		each.Recorded(r, e)
	}
}

func (o observers) Looked(r *core.Rollout, seen core.Evidence) {
	for _, each := range o {
		each.Looked(r, seen)
	}
}

func (o observers) Acted(act core.Act, result core.Result, output string) {
	for _, each := range o {
		each.Acted(act, result, output)
	}
}
