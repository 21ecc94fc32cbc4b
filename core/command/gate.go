package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/engine"
	"github.com/breakwater-ci/breakwater/core/report"
)

type gateCmd struct {
	planFlag
	ledgerFlag
	JSON        bool          `name:"json" help:"Print the answer as JSON."`
	Sync        bool          `help:"Show it on every open change that is to enter this branch, and exit with 0."`
	Distance    time.Duration `help:"Least time between the end of a rollout and the next change, such as 30m." placeholder:"DURATION"`
	StatusCheck int           `help:"Id of an external status check of GitLab Ultimate, which gets the answer for each merge request too." placeholder:"ID"`
	Doors       []string      `name:"door" help:"The way into a stage of CodePipeline, shut and opened with the gate: codepipeline://PIPELINE/STAGE. Several are separated by commas." placeholder:"URL"`
	Answers     string        `help:"Label of a change that answers a halted or rolled-back rollout, and so may enter." default:"breakwater-answer" placeholder:"LABEL"`
}

// Run says whether a change may enter the line now, and shows it on the change, or on a door.
func (c *gateCmd) Run(ctx context.Context, s *ship) error {
	_, checks := s.forge.(core.Doorman)
	if c.StatusCheck < 0 || c.StatusCheck > 0 && !checks {
		return usage{errors.New("--status-check is the id of an external status check of GitLab, in a job there")}
	}
	l, err := s.load(ctx, c.Plan, nil)
	if err != nil {
		return err
	}
	doors, err := s.openDoors(ctx, c.Doors, l.Line())
	if err != nil {
		return err
	}
	book, changes, err := c.ask(ctx, s, l)
	if err != nil {
		return errors.Join(err, doors.shut(ctx, nobodyKnows(err)))
	}
	look := func(ctx context.Context) (*core.Rollout, core.GateRules, error) { return c.look(ctx, s, l, book) }
	r, rules, err := look(ctx)
	if err != nil {
		return errors.Join(err, c.shut(ctx, s, l.Line(), changes, doors, err))
	}
	gates := make([]core.Gate, len(changes))
	for i, change := range changes {
		gates[i] = core.AtGate(r, rules, slices.Contains(change.Labels, c.Answers), s.Clock.Now())
	}
	if err := errors.Join(c.showGates(ctx, s, l.Line(), changes, gates), doors.swing(ctx, s.Clock, r, rules, look)); err != nil {
		return err
	}
	gate := core.AtGate(r, rules, false, s.Clock.Now())
	if all := append(gates, doors.gates()...); !c.Sync && len(all) > 0 {
		gate = all[0]
	}
	if err := c.say(s, l.Line(), gate, changes, doors); err != nil {
		return err
	}
	if !gate.Open && !c.Sync {
		return engine.Blocked{Reason: gate.Reason, Until: gate.Until}
	}
	return s.forge.Publish(ctx, core.Published{Outputs: []core.Output{{Name: "reason", Value: gate.Reason}}})
}

// ask opens the ledger, and finds the changes that the answer is shown on.
func (c *gateCmd) ask(ctx context.Context, s *ship, l *loaded) (core.Ledger, []core.Change, error) {
	book, err := s.openLedger(ctx, c.Ledger, l.dir)
	if err != nil {
		return nil, nil, err
	}
	keeper, ok := s.forge.(core.Gatekeeper)
	switch {
	case ok:
		changes, err := keeper.Changes(ctx, c.Sync)
		return book, changes, err
	case c.Sync && len(c.Doors) == 0:
		return nil, nil, usage{errors.New("--sync needs a CI system that knows which changes are open, or a --door; here there is none")}
	default:
		return book, nil, nil
	}
}

// look reads where the line stands, and whether it is in a freeze. The hours of allow hold a release up, not a change.
func (c *gateCmd) look(ctx context.Context, s *ship, l *loaded, book core.Ledger) (*core.Rollout, core.GateRules, error) {
	rules := core.GateRules{Distance: c.Distance}
	r, err := newest(ctx, book, l.Line())
	_, asks := s.forge.(core.Freezer)
	own := l.Windows != nil && len(l.Windows.Freeze) > 0
	if err != nil || !own && !asks {
		return r, rules, err
	}
	frozen := *l.Plan
	waves := []core.StartWave{{Targets: make([]core.StartTarget, 1)}} // the freezes of a forge are instants, the same for all targets
	if frozen.Windows = nil; own {
		frozen.Windows = &core.Windows{Freeze: l.Windows.Freeze, Timezone: l.Windows.Timezone}
		if waves, err = s.waves(ctx, l); err != nil {
			return nil, rules, err
		}
	}
	read, err := s.hours(&frozen, l.dir)(ctx, waves)
	if err != nil {
		rules.Freeze = &core.Opening{Unknown: true, Why: err.Error()}
		return r, rules, nil
	}
	o := read.Opening(0, s.Clock.Now())
	rules.Freeze = &o
	return r, rules, nil
}

// shut shows on changes that nobody knows, and shuts the doors: a required status that never comes would hang for ever.
func (c *gateCmd) shut(ctx context.Context, s *ship, l core.Line, changes []core.Change, doors entrances, why error) error {
	gates := make([]core.Gate, len(changes))
	reason := nobodyKnows(why)
	for i := range gates {
		gates[i].Reason = reason
	}
	return errors.Join(c.showGates(ctx, s, l, changes, gates), doors.shut(ctx, reason))
}

func (c *gateCmd) showGates(ctx context.Context, s *ship, l core.Line, changes []core.Change, gates []core.Gate) error {
	writer, writes := s.forge.(core.StatusWriter)
	usher, ushers := s.forge.(core.Usher)
	doorman, _ := s.forge.(core.Doorman)
	var failed []error
	for i, change := range changes {
		mark := report.MarkGate(l, gates[i])
		var err1, err2 error
		switch {
		case ushers:
			err1 = usher.Show(ctx, change, mark)
		case writes && !slices.Contains(change.Shows, mark): // GitHub takes a thousand of one name for a commit, and then no more
			err1 = writer.SetStatus(ctx, change.Commit, mark)
		}
		if c.StatusCheck > 0 {
			err2 = doorman.Answer(ctx, c.StatusCheck, change, mark.State)
		}
		if err := errors.Join(err1, err2); err != nil {
			failed = append(failed, fmt.Errorf("%s does not show the gate: %w", change.Name, err))
		}
	}
	return errors.Join(failed...)
}

func (c *gateCmd) say(s *ship, l core.Line, gate core.Gate, changes []core.Change, doors entrances) error {
	if c.JSON {
		names := make([]string, len(changes))
		for i, change := range changes {
			names[i] = change.Name
		}
		return s.print(struct {
			Line    string    `json:"line"`
			Open    bool      `json:"open"`
			Reason  string    `json:"reason"`
			Until   time.Time `json:"until,omitzero"`
			Changes []string  `json:"changes"`
			Doors   []doorway `json:"doors,omitempty"`
		}{l.String(), gate.Open, gate.Reason, gate.Until, names, doors.shown()})
	}
	is := "shut"
	if gate.Open {
		is = "open"
	}
	_, err := fmt.Fprintf(s.Stdout, "The gate of %s is %s. %s\n", l, is, gate.Reason)
	if _, knows := s.forge.(core.Gatekeeper); err == nil && c.Sync && knows {
		_, err = fmt.Fprintf(s.Stdout, "Shown on open changes: %d.\n", len(changes))
	}
	for _, d := range doors.shown() {
		if err == nil {
			_, err = fmt.Fprintf(s.Stdout, "%s %s\n", d.Door, d.Said)
		}
	}
	return err
}

// nobodyKnows is the reason of a gate that is shut because something could not be found out.
func nobodyKnows(why error) string { return "Nobody knows whether it may enter: " + inShort(why) }
