package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/check"
	"github.com/breakwater-ci/breakwater/core/codecommit"
	"github.com/breakwater-ci/breakwater/core/config"
	"github.com/breakwater-ci/breakwater/core/deploy"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/ledger"
	"github.com/breakwater-ci/breakwater/core/lint"
	"github.com/breakwater-ci/breakwater/core/metric"
	"github.com/breakwater-ci/breakwater/core/schedule"
	"github.com/breakwater-ci/breakwater/core/shell"
)

// planFlag is the flag of every command that needs a plan.
type planFlag struct {
	Plan string `help:"The plan: a file, or in git, as --policy may be. Default: breakwater.yaml, .github/breakwater.yaml or .gitlab/breakwater.yaml." placeholder:"FILE"`
}

// A loaded is a plan with the text that it was read from.
type loaded struct {
	*core.Plan
	places config.Places
	file   string // as people know it
	again  string // with which --plan reads the very same
	text   string
	dir    string // where its commands run, and its files are
}

// load finds and reads the plan. Without lookup, ${NAME} stays as it is: for commands that ask no source.
func (s *ship) load(ctx context.Context, file string, lookup func(string) (string, bool)) (*loaded, error) {
	dir, err := s.dir()
	if err != nil {
		return nil, err
	}
	l := &loaded{dir: dir}
	if err := s.planText(ctx, l, file); err != nil {
		return nil, usage{err}
	}
	l.Plan, l.places, err = config.LoadPlaces(l.file, []byte(l.text), lookup, catalog())
	if err != nil {
		return nil, err
	}
	return l, nil
}

// planText reads the text of a plan. One from elsewhere is only a text: its commands and files are in the working folder. It is
// called by its commit from then on.
func (s *ship) planText(ctx context.Context, l *loaded, file string) error {
	there, ok, err := s.fetch(ctx, file, l.dir)
	switch {
	case err != nil:
		return fmt.Errorf("the plan cannot be read: %w", err)
	case ok:
		l.file, l.text, l.again = there.Pinned, string(there.Text), there.Pinned
		if strings.HasPrefix(file, codecommit.Scheme) {
			l.again = codecommit.Scheme + there.Pinned
		}
		return nil
	}
	if file == "" {
		found, err := config.Find(l.dir)
		if err != nil {
			return err
		}
		if file, err = filepath.Rel(l.dir, found); err != nil {
			return err
		}
	}
	path := file
	if !filepath.IsAbs(path) {
		path = filepath.Join(l.dir, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("the plan cannot be read: %w", err)
	}
	l.file, l.again, l.text = file, filepath.ToSlash(file), string(text)
	return nil
}

// catalog tells the loader which technologies exist.
func catalog() config.Catalog {
	c := config.Catalog{Sources: make(map[string]config.SourceKind), Drivers: make(map[string]any), Rules: lint.Waivable()}
	for name, k := range metric.Kinds {
		c.Sources[name] = config.SourceKind{Options: k.Options, CheckQuery: k.CheckQuery, Alarms: k.Alarms, Spans: k.Spans}
	}
	for _, d := range deploy.Drivers {
		c.Drivers[d.Name] = d.Options
	}
	return c
}

// shell runs the plan's commands.
func (s *ship) shell(dir string) *shell.Runner { return shell.New(dir, s.Environ) }

// gear builds what a plan needs to be carried out.
func (s *ship) gear(p *core.Plan, dir string) (engine.Gear, error) {
	runner := s.shell(dir)
	forwards, err := s.driver("deploy", p.Deploy.Driver, p.Deploy.Options, runner, p.Deploy.Timeout)
	if err != nil {
		return engine.Gear{}, err
	}
	driver, options := p.Rollback.Driver, p.Rollback.Options
	if driver == "" {
		driver, options = p.Deploy.Driver, p.Deploy.Options
	}
	back, err := s.driver("rollback", driver, options, runner, p.Rollback.Timeout)
	if err != nil {
		return engine.Gear{}, err
	}
	if p.Current != nil {
		current := s.current(p, runner)
		forwards, back = deploy.Proven(forwards, current), deploy.Proven(back, current)
	}
	asker, err := s.asker(p, dir, runner)
	if err != nil {
		return engine.Gear{}, err
	}
	if name := s.parksUnseen(p); name != "" {
		return engine.Gear{}, usage{fmt.Errorf("source %s knows only what it saw itself, and nobody looks while a bake is parked: "+
			"use wait: inline, or another type of source", name)}
	}
	return engine.Gear{Plan: p, Deploy: forwards, Rollback: back, Checks: asker, Windows: s.hours(p, dir)}, nil
}

// driver opens what puts versions on targets under a key of the plan.
func (s *ship) driver(key, name string, options any, runner *shell.Runner, timeout time.Duration) (core.Driver, error) {
	driver, err := deploy.Open(name, options, deploy.Env{
		Shell: runner, Timeout: timeout, Clock: s.Clock, Waits: s.waits("Deploy"),
		Lookup: s.getenv,
	})
	if err != nil {
		return nil, usage{fmt.Errorf("%s: %w", key, err)}
	}
	s.drivers = append(s.drivers, driver)
	return driver, nil
}

// parksUnseen names a source that cannot be asked about a parked bake afterwards.
func (s *ship) parksUnseen(p *core.Plan) string {
	if !slices.ContainsFunc(p.Waves, func(w core.WaveRule) bool { return w.Bake.Wait == core.WaitPark }) {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(p.Sources)) {
		if metric.Kinds[p.Sources[name].Type].Watches {
			return name
		}
	}
	return ""
}

// asker opens the plan's sources and checks.
func (s *ship) asker(p *core.Plan, dir string, runner *shell.Runner) (core.Asker, error) {
	sources, err := s.sources(p, dir)
	if err != nil {
		return nil, err
	}
	return check.New(p, sources, runner, s.Clock), nil
}

// sources opens the plan's sources.
func (s *ship) sources(p *core.Plan, dir string) (map[string]core.Source, error) {
	sources := make(map[string]core.Source, len(p.Sources))
	for name, spec := range p.Sources {
		source, err := metric.Open(spec, s.around(dir))
		if err != nil {
			return nil, usage{fmt.Errorf("source %s: %w", name, err)}
		}
		sources[name] = source
		if c, ok := source.(io.Closer); ok {
			s.closers = append(s.closers, c)
		}
	}
	return sources, nil
}

// around is what sources take from this process.
func (s *ship) around(dir string) metric.Env {
	return metric.Env{Clock: s.Clock, Shell: s.shell(dir), Dir: dir, Proxy: http.ProxyFromEnvironment,
		Lookup: s.getenv}
}

// targets reads the plan's list of targets from where the plan says.
func (s *ship) targets(ctx context.Context, l *loaded) ([]core.Target, error) {
	switch t := l.Targets; {
	case t.File != "":
		text, err := readBelow(l.dir, t.File)
		if err != nil {
			return nil, usage{fmt.Errorf("the list of targets cannot be read: %w", err)}
		}
		return config.Targets(t.File, text)
	case t.Run.Script != "":
		text, err := s.shell(l.dir).Read(ctx, t.Run, shell.Vars{Action: shell.ActionTargets}, l.Deploy.Timeout)
		if err != nil {
			return nil, fmt.Errorf("the command that lists the targets: %w", err)
		}
		return config.Targets("targets.run", []byte(text))
	default:
		return t.List, nil
	}
}

// readBelow reads a file that a plan names; a plan cannot name one outside of the working folder.
func readBelow(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// waves cuts the plan's targets into waves.
func (s *ship) waves(ctx context.Context, l *loaded) ([]core.StartWave, error) {
	targets, err := s.targets(ctx, l)
	if err != nil {
		return nil, err
	}
	waves, err := schedule.Waves(l.Plan, targets)
	if err != nil {
		return nil, usage{fmt.Errorf("%s: %w", l.file, err)}
	}
	if err := cmp.Or(parkable(l.Plan, waves), s.handable(l.Plan, waves)); err != nil {
		return nil, usage{fmt.Errorf("%s: %w", l.file, err)}
	}
	return waves, nil
}

const (
	mostAttempts = 50                  // that GitHub lets a run have beside its first
	mostDays     = 30 * 24 * time.Hour // after which it lets it have none
)

// parkable reports why a rollout could not be taken to its end by attempts of one CI run: one for each parked wave.
func parkable(p *core.Plan, waves []core.StartWave) error {
	parked, bakes := 0, time.Duration(0)
	for _, w := range waves {
		bake := p.Waves[w.Rule].Bake
		bakes += bake.Max
		if bake.Wait == core.WaitPark {
			parked++
		}
	}
	switch {
	case parked > mostAttempts:
		return fmt.Errorf("it parks %d waves, and a run of GitHub's can be started again only %d times: make fewer waves, "+
			"or let some wait inline", parked, mostAttempts)
	case parked > 0 && bakes > mostDays:
		return fmt.Errorf("its bakes may take %s, and a run of GitHub's can be started again only within 30 days: make bake.max shorter",
			core.Brief(bakes))
	}
	return nil
}

// scheduled loads a plan and cuts its waves, for commands that ask no source.
func (s *ship) scheduled(ctx context.Context, file string) (*loaded, []core.StartWave, error) {
	l, err := s.load(ctx, file, nil)
	if err != nil {
		return nil, nil, err
	}
	waves, err := s.waves(ctx, l)
	return l, waves, err
}

// current asks targets which version they run.
func (s *ship) current(p *core.Plan, runner *shell.Runner) deploy.Current {
	return deploy.Current{Command: p.Current.Run, Timeout: p.Current.Timeout, Shell: runner, Clock: s.Clock}
}

// askCurrent fills in what each target says that it runs. It asks a few at a time, and all or none: where one cannot
// say, nobody knows what would be rolled out over, or put back.
func (s *ship) askCurrent(ctx context.Context, l *loaded, version string, waves []core.StartWave) error {
	current := s.current(l.Plan, s.shell(l.dir))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range waves {
		for j := range waves[i].Targets {
			t := &waves[i].Targets[j]
			group.Go(func() (err error) {
				t.Found, err = current.Ask(ctx, core.Act{Wave: waves[i].Name, Target: t.Target, Version: version})
				if err != nil {
					return fmt.Errorf("the current version of target %s is not known: %w", t.Name, err)
				}
				return nil
			})
		}
	}
	return group.Wait()
}

// openLedger opens the ledger that was asked for, or the one that the forge has. All lines of a round share one.
func (s *ship) openLedger(ctx context.Context, asked, dir string) (core.Ledger, error) {
	if s.round != nil {
		return s.round.book, nil
	}
	book, err := ledger.Open(ctx, cmp.Or(asked, s.forge.Job().Ledger), ledger.Env{Dir: dir, Environ: s.Environ, Clock: s.Clock, Waits: s.waits("Ledger")})
	if err != nil {
		return nil, usage{err}
	}
	if c, ok := book.(io.Closer); ok {
		s.closers = append(s.closers, c)
	}
	return book, nil
}

// waits says in the log, under a title, why nothing happens.
func (s *ship) waits(title string) func(why string, until time.Time) {
	return func(why string, until time.Time) {
		s.tell(core.Annotation{Title: title, Message: fmt.Sprintf("%s; waiting until %s UTC.", why, until.UTC().Format("15:04:05"))})
	}
}

// newest reads where the newest rollout of a line stands; its state is empty if there is none.
func newest(ctx context.Context, book core.Ledger, line core.Line) (*core.Rollout, error) {
	events, err := book.Read(ctx, line)
	if err != nil {
		return nil, err
	}
	return core.Replay(line, events)
}

// version is the version to roll out: as asked for, else the commit.
func (s *ship) version(ctx context.Context, asked string, job core.Job) (string, error) {
	v := asked
	if v == "" {
		v = job.Commit
	}
	if v == "" {
		dir, err := s.dir()
		if err != nil {
			return "", err
		}
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		git := exec.CommandContext(ctx, "git", "rev-parse", "HEAD")
		git.Dir, git.Env = dir, s.Environ
		out, err := git.Output()
		if err != nil {
			return "", usage{errors.New("which version? Pass --version; without it the commit is taken, and this folder has none")}
		}
		v = strings.TrimSpace(string(out))
	}
	if strings.ContainsAny(v, "\x00\n\r") || len(v) > 512 {
		return "", usage{errors.New("the version must be one line of at most 512 bytes")}
	}
	return v, nil
}
