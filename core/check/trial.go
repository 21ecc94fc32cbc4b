package check

import (
	"maps"
	"math"
	"slices"

	"github.com/breakwater-ci/breakwater/core/judge"
)

// A trial is a test of the judge that takes readings.
type trial interface {
	before(control, candidate reading)
	look(control, candidate reading) judge.Verdict
	// past is what the arms were like before the deploy, and by what options they are judged.
	past() (judge.Past, judge.Options)
	// memory points to what has to be kept to go on in another process, as JSON.
	memory() any
}

// A countTrial compares bad events out of a total.
type countTrial struct{ *judge.Counts }

func (t countTrial) before(control, candidate reading) { t.Before(countLook(control, candidate)) }

func (t countTrial) look(control, candidate reading) judge.Verdict {
	return t.Look(countLook(control, candidate))
}

func (t countTrial) past() (judge.Past, judge.Options) { return t.Past(), t.Options }
func (t countTrial) memory() any                       { return &t.State }

func countLook(control, candidate reading) judge.CountLook {
	return judge.CountLook{
		Control: control.total, ControlBad: control.bad, Candidate: candidate.total, CandidateBad: candidate.bad,
	}
}

// A gaugeTrial compares levels.
type gaugeTrial struct{ *judge.Gauge }

func (t gaugeTrial) before(control, candidate reading) {
	t.Before(judge.GaugeLook{Control: control.level, Candidate: candidate.level})
}

func (t gaugeTrial) look(control, candidate reading) judge.Verdict {
	return t.Look(judge.GaugeLook{Control: control.level, Candidate: candidate.level})
}

func (t gaugeTrial) past() (judge.Past, judge.Options) { return t.Past(), t.Options }
func (t gaugeTrial) memory() any                       { return &t.State }

// A rankTrial compares levels as Kayenta does.
type rankTrial struct{ *judge.Ranks }

func (t rankTrial) before(control, candidate reading) {
	t.Before(judge.GaugeLook{Control: control.level, Candidate: candidate.level})
}

func (t rankTrial) look(control, candidate reading) judge.Verdict {
	return t.Look(judge.GaugeLook{Control: control.level, Candidate: candidate.level})
}

func (t rankTrial) past() (judge.Past, judge.Options) { return judge.Past{}, t.Options }
func (t rankTrial) memory() any                       { return &t.State }

// A pastTrial compares a level with the past of its own series.
type pastTrial struct{ *judge.History }

func (t pastTrial) before(_, candidate reading)             { t.Before(candidate.level) }
func (t pastTrial) look(_, candidate reading) judge.Verdict { return t.Look(candidate.level) }
func (t pastTrial) past() (judge.Past, judge.Options)       { return judge.Past{}, t.Options }
func (t pastTrial) memory() any                             { return &t.State }

// A bucketTrial compares latency. Which edges there are is known once both arms have shown some.
type bucketTrial struct {
	options judge.Options
	kept    bucketMemory
	test    *judge.Histogram
}

// bucketMemory is the state of a test with its edges. JSON has no infinity, so the last edge goes without saying.
type bucketMemory struct {
	Edges []float64             `json:"edges"`
	State *judge.HistogramState `json:"state,omitempty"`
}

func (t *bucketTrial) before(control, candidate reading) {
	if t.open(control, candidate) {
		t.test.Before(t.compared(control, candidate))
	}
}

func (t *bucketTrial) look(control, candidate reading) judge.Verdict {
	if !t.open(control, candidate) {
		return judge.NewHistogram(t.options, []float64{math.Inf(1)}).Look(judge.HistogramLook{})
	}
	return t.test.Look(t.compared(control, candidate))
}

// open starts the test, or takes it up again. It reports false as long as there are no edges.
func (t *bucketTrial) open(control, candidate reading) bool {
	if t.test != nil {
		return true
	}
	if t.kept.State == nil {
		for _, edge := range slices.Sorted(maps.Keys(candidate.buckets)) {
			if _, both := control.buckets[edge]; both && !math.IsInf(edge, 1) {
				t.kept.Edges = append(t.kept.Edges, edge)
			}
		}
		if len(t.kept.Edges) == 0 {
			return false
		}
	}
	t.test = judge.NewHistogram(t.options, t.edges())
	if t.kept.State != nil {
		t.test.State = *t.kept.State
	}
	t.kept.State = &t.test.State
	return true
}

func (t *bucketTrial) edges() []float64 { return append(slices.Clone(t.kept.Edges), math.Inf(1)) }

func (t *bucketTrial) compared(control, candidate reading) judge.HistogramLook {
	return judge.HistogramLook{Control: control.at(t.edges()), Candidate: candidate.at(t.edges())}
}

func (t *bucketTrial) past() (judge.Past, judge.Options) {
	if t.test == nil {
		return judge.Past{}, t.options
	}
	return t.test.Past(), t.test.Options
}

func (t *bucketTrial) memory() any { return &t.kept }
