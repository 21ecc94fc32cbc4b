// Package command is Breakwater's command line: one verb a file. It wires the rooms together and turns what comes back
// into text, JSON and exit codes.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/config"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/ledger"
	"github.com/breakwater-ci/breakwater/core/report"
)

// Env is the process as the commands see it.
type Env struct {
	Stdout, Stderr io.Writer
	Environ        []string   // as of [os.Environ], with action inputs already turned into BREAKWATER_ variables
	Dir            string     // working folder; empty: the process's own
	Forge          core.Forge // nil outside CI
	Clock          core.Clock // nil: the wall clock
}

// verbs is the whole command line.
type verbs struct {
	Quickstart quickstartCmd `cmd:"" help:"A rollout on this machine in half a minute: a small fleet of real processes, a good release, a bad one. Nothing to install."`
	Run        runCmd        `cmd:"" help:"The whole rollout of a version, or the rest of it: resumes what is halted."`
	Tick       tickCmd       `cmd:"" help:"Look once at every parked bake: end or extend it, and start its CI run again where there is something to do."`
	Start      startCmd      `cmd:"" help:"Announce a wave that jobs of the CI run deploy, and give their matrix."`
	Bake       bakeCmd       `cmd:"" help:"Learn what became of the jobs that start or rollback announced; bake and judge the wave."`
	Plan       planCmd       `cmd:"" help:"Check the plan and print its waves, the share at risk and the earliest finish."`
	Check      checkCmd      `cmd:"" help:"Ask every check once, now. Touches no target and no ledger."`
	Simulate   simulateCmd   `cmd:"" help:"The plan on a virtual clock, with failures that you name: a timeline in milliseconds."`
	Backtest   backtestCmd   `cmd:"" help:"Ask the checks about the past: would they have stopped healthy or bad releases, and how long must a bake be?"`
	Judge      judgeCmd      `cmd:"" help:"Judge numbers from files: CSV in, verdict as JSON out."`
	Gate       gateCmd       `cmd:"" help:"May a change enter the line now? Shows it as a status that a protected branch can require."`
	Status     statusCmd     `cmd:"" help:"Where the newest rollout of the line stands."`
	History    historyCmd    `cmd:"" help:"The past rollouts of the line, with DORA figures and how often each check was right."`
	Report     reportCmd     `cmd:"" help:"One rollout, the newest or a past one, as a page that needs nothing else: waves, targets, checks, overrides, log."`
	Rollback   rollbackCmd   `cmd:"" help:"Put the previous version back, or a named good one, by hand: of a finished rollout too."`
	Promote    promoteCmd    `cmd:"" help:"End a bake early, or pass a halted wave or precheck, by hand."`
	Abort      abortCmd      `cmd:"" help:"End an unfinished rollout and keep what is out, by hand."`
	Doctor     doctorCmd     `cmd:"" help:"Look at what a rollout will need: plan, policy, ledger, sources, commands, clock, permissions. Touches no target."`
	Schema     schemaCmd     `cmd:"" help:"The JSON Schema of a plan, or of a policy, for editors."`
	Version    versionCmd    `cmd:"" help:"The version of this binary."`
	Serve      serveCmd      `cmd:"" hidden:"" help:"One server of the quickstart's fleet."`
}

const about = `Safe, hands-off deployments from the CI that you already have: waves, bakes, checks, halt, rollback, resume.

Every flag is also an environment variable: --first-release is BREAKWATER_FIRST_RELEASE.

Exit codes: 0 done; 1 unexpected; 2 plan or usage wrong; 3 blocked; 4 halted; 5 rolled back; 6 rollback incomplete.`

// Main runs one command and returns its exit code.
func Main(ctx context.Context, args []string, env Env) (code int) {
	s := newShip(env)
	defer s.close()
	defer func() {
		switch p := recover().(type) {
		case nil:
		case exited:
			code = int(p)
		default:
			panic(p) // a crash must never look like success
		}
	}()
	var v verbs
	parser, err := kong.New(&v, kong.Name("breakwater"), kong.Description(about), kong.Writers(env.Stdout, env.Stderr),
		kong.Exit(func(code int) { panic(exited(code)) }), kong.Resolvers(s.flags()),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}))
	if err != nil {
		return s.fail(ctx, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return s.fail(ctx, usage{misread(err, args)})
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(s); err != nil {
		return s.fail(ctx, err)
	}
	return core.ExitDone
}

// misread says of an error of the parser what was meant to be there, or where to read that.
func misread(err error, args []string) error {
	wrong, ok := errors.AsType[*kong.ParseError](err)
	if !ok {
		return err
	}
	if command := wrong.Context.Command(); command != "" || strings.HasPrefix(args[0], "-") {
		return fmt.Errorf("%w; see %s --help", err, strings.TrimSpace("breakwater "+command))
	}
	var known []string
	for _, verb := range wrong.Context.Model.Leaves(true) {
		known = append(known, verb.Name)
	}
	return fmt.Errorf("%q is no command; the commands are %s", args[0], strings.Join(known, ", "))
}

// exited carries an exit code out of the parser, which exits by itself after --help.
type exited int

// usage is an error in how a command was called.
type usage struct{ error }

// ended says that a rollout ended in a state that is not success. It has been reported already.
type ended struct{ state core.State }

func (e ended) Error() string { return "the rollout is " + string(e.state) }

// reported says that all that went wrong has been told already, and what the exit code is.
type reported int

func (r reported) Error() string { return fmt.Sprintf("exit code %d", int(r)) }

// fail prints an error once, leaves it behind for later jobs, and returns its exit code.
func (s *ship) fail(ctx context.Context, err error) int {
	if errors.As(err, new(ended)) {
		return s.blame(err)
	}
	var known reported
	if errors.As(err, &known) {
		return int(known)
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = errors.New("cancelled before a rollout was started or taken over; nothing was done")
	}
	if err := s.publishFailure(ctx, err); err != nil {
		s.tell(core.Annotation{Title: "Outputs", Message: err.Error()})
	}
	return s.blame(err)
}

// blame prints an error once and returns its exit code.
func (s *ship) blame(err error) int {
	var done ended
	if errors.As(err, &done) { // it has been reported already
		return done.state.ExitCode()
	}
	if mistakes, ok := errors.AsType[config.Mistakes](err); ok {
		for _, m := range mistakes {
			s.log.Annotate(core.Annotation{Error: true, Title: "Plan", Message: m.Message, File: m.File, Line: m.Line, Column: m.Column})
		}
		fmt.Fprintln(s.Stderr, strings.TrimRight(err.Error(), "\n"))
		return core.ExitUsage
	}
	s.tell(core.Annotation{Error: true, Title: "Breakwater", Message: err.Error()})
	var refused engine.Refused
	var blocked engine.Blocked
	var lost engine.Lost
	var wrong usage
	switch {
	case errors.As(err, &refused), errors.As(err, &wrong):
		return core.ExitUsage
	case errors.As(err, &blocked), errors.As(err, &lost):
		return core.ExitBlocked
	default:
		return core.ExitUnexpected
	}
}

// tell says an error or a warning once: as an annotation where the forge has such, which is in its log as well, else on
// standard error.
func (s *ship) tell(a core.Annotation) {
	if s.Forge != nil {
		s.log.Annotate(a)
		return
	}
	fmt.Fprintln(s.Stderr, "breakwater: "+a.Message)
}

// A ship is the process at work: what every command needs.
type ship struct {
	Env
	environ map[string]string
	forge   core.Forge
	log     core.Log
	law     *lawbook               // the policy that was asked for; nil: none was, or it was not read yet
	wait    core.Wait              // how to wait for bakes, whatever the plan says; empty: as it says
	round   *round                 // of a tick: people are told of what it wrote, and of nothing else; nil: this is none
	drivers []any                  // that were opened: some count what they ask
	looks   report.Looks           // what the checks saw, for the report
	closers []io.Closer            // what stays open until the command ends
	fetched map[string]ledger.File // by the place that was asked for
	divides bool                   // a matrix may have any number of jobs, because it is divided
	gang    *gang                  // that a job works with which leaves acts to others of the CI run; nil: it leaves none
}

func newShip(env Env) *ship {
	s := &ship{Env: env, environ: make(map[string]string)}
	for _, v := range env.Environ {
		if name, value, ok := strings.Cut(v, "="); ok {
			s.environ[name] = value
		}
	}
	if s.Clock == nil {
		s.Clock = WallClock{}
	}
	if s.forge = env.Forge; s.forge == nil {
		s.forge = &local{user: s.environ["USER"], out: env.Stdout}
	}
	_, s.divides = s.forge.(core.Divider)
	s.log = s.forge.Log()
	return s
}

func (s *ship) close() {
	for _, c := range s.closers {
		c.Close() // it only ends what was read; nothing can be lost
	}
}

// lookup fills ${NAME} in a plan.
func (s *ship) lookup(name string) (string, bool) {
	value, ok := s.environ[name]
	return value, ok
}

// flags makes every flag an environment variable. An empty one is as good as none: that is how an action passes an
// input that was not given.
func (s *ship) flags() kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		name := "BREAKWATER_" + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
		if value := s.environ[name]; value != "" {
			return value, nil
		}
		return nil, nil
	})
}

// dir is the working folder.
func (s *ship) dir() (string, error) {
	if s.Dir != "" {
		return s.Dir, nil
	}
	return os.Getwd()
}

// print writes a value as JSON.
func (s *ship) print(v any) error { return encode(s.Stdout, v) }

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
