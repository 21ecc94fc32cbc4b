package judge

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// A Window is one rule of a multi-window alert: both its windows must burn the error budget at least Burn times as fast
// as would use it up just in time. The long one says that it matters, the short one that it has not stopped.
type Window struct {
	Long, Short time.Duration
	Burn        float64
}

// Workbook returns the windows that the SRE workbook advises (chapter 5, table 5-8) for a period of 30 days: they fail
// when 2%, 5% or 10% of the budget are gone within the long window.
func Workbook() []Window {
	return []Window{
		{Long: time.Hour, Short: 5 * time.Minute, Burn: 14.4},
		{Long: 6 * time.Hour, Short: 30 * time.Minute, Burn: 6},
		{Long: 72 * time.Hour, Short: 6 * time.Hour, Burn: 1},
	}
}

// A BurnLook has for each window of a [Burn], in its order, what happened within it up to now.
type BurnLook []WindowSums

// WindowSums are the requests of the last Long and the last Short, and those of them that went wrong.
type WindowSums struct {
	Long     float64 `json:"long"`
	LongBad  float64 `json:"long_bad"`
	Short    float64 `json:"short"`
	ShortBad float64 `json:"short_bad"`
}

func (s WindowSums) usable() bool {
	long := CountLook{Control: 1, Candidate: max(s.Long, 1), CandidateBad: s.LongBad}
	short := CountLook{Control: 1, Candidate: max(s.Short, 1), CandidateBad: s.ShortBad}
	return s.Long >= 0 && s.Short >= 0 && long.usable() && short.usable()
}

const (
	// burnDoubt is the share of a burn rate that must be excluded by chance too, before few requests may fail: the
	// workbook warns of quiet services, where one failed request is a huge burn.
	burnDoubt = 0.5
	// burnSeen is how many bad events a burn rate must have led to in the long window, for their absence to be a pass:
	// none at all is then chance at 1 in 20.
	burnSeen = 3
)

// Burn judges one service against its objective, without a control, by the rate at which it uses up its error budget. As
// a judge of deploys it is blind to what burns slower than its slowest window, so it stands beside tests that compare.
type Burn struct {
	Options   Options // Name and FalseAlarms
	Objective float64 // share of requests that must go well: 0.999
	Windows   []Window
	State     BurnState
}

// BurnState is all that [Burn] remembers.
type BurnState struct {
	Before   int      `json:"before"`
	Burning  []bool   `json:"burning"` // windows that have burnt since before the deploy: not its doing
	Looks    int      `json:"looks"`
	Unusable int      `json:"unusable"`
	Failed   *Verdict `json:"failed,omitempty"`
}

// NewBurn starts a test. Without windows it has those of the [Workbook].
func NewBurn(o Options, objective float64, windows []Window) *Burn {
	if len(windows) == 0 {
		windows = Workbook()
	}
	return &Burn{
		Options: o.defaults("requests", 0), Objective: objective, Windows: windows,
		State: BurnState{Burning: make([]bool, len(windows))},
	}
}

// Before takes a look at the old version. What burns at the last of them is not the release's doing.
func (b *Burn) Before(l BurnLook) {
	if !b.usable(l) {
		return
	}
	b.State.Before++
	for i, w := range b.Windows {
		b.State.Burning[i] = b.burns(w, l[i]) && b.sure(w, l[i])
	}
}

// Look takes a look after the deploy.
func (b *Burn) Look(l BurnLook) Verdict {
	s := &b.State
	switch {
	case s.Failed != nil:
		return *s.Failed
	case !b.usable(l):
		s.Unusable++
		e := Evidence{Looks: s.Looks, Before: s.Before, Unusable: s.Unusable}
		reason := fmt.Sprintf("The burn rate of %s could not be told: numbers are missing, negative or zero.", b.Options.Name)
		return Verdict{Verdict: core.Inconclusive, Reason: reason, Evidence: e}
	}
	s.Looks++
	failed, doubtful, old := -1, -1, -1
	seen := false
	for i, w := range b.Windows {
		burns := b.burns(w, l[i])
		s.Burning[i] = s.Burning[i] && burns
		seen = seen || l[i].Long*w.Burn*(1-b.Objective) >= burnSeen
		switch {
		case s.Burning[i]:
			old = i
		case burns && b.sure(w, l[i]) && failed < 0:
			failed = i
		case burns, l[i].Short == 0 && b.rate(l[i].LongBad, l[i].Long) >= w.Burn:
			doubtful = i
		}
	}
	switch {
	case failed >= 0:
		v := b.verdict(core.Fail, l, failed, "%s.")
		s.Failed = &v
		return v
	case old >= 0:
		return b.verdict(core.Inconclusive, l, old, "%s: already so before the deploy.")
	case doubtful >= 0:
		return b.verdict(core.Inconclusive, l, doubtful, "%s, with too few requests to tell.")
	case !seen:
		return b.verdict(core.Inconclusive, l, b.worst(l), "%s; with so few requests it would not have shown.")
	default:
		return b.verdict(core.Pass, l, b.worst(l), "%s.")
	}
}

func (b *Burn) usable(l BurnLook) bool {
	return len(l) == len(b.Windows) && b.Objective > 0 && b.Objective < 1 &&
		!slices.ContainsFunc(l, func(s WindowSums) bool { return !s.usable() })
}

// rate is how many times as fast as the objective allows the budget is used up; 0 without requests.
func (b *Burn) rate(bad, total float64) float64 {
	if total == 0 {
		return 0
	}
	return bad / total / (1 - b.Objective)
}

func (b *Burn) burns(w Window, s WindowSums) bool {
	return b.rate(s.LongBad, s.Long) >= w.Burn && b.rate(s.ShortBad, s.Short) >= w.Burn
}

// sure reports whether so many bad events are more than an anecdote, and than chance would make of a lower burn rate:
// the tail of Poisson's distribution is bounded by Chernoff's inequality.
func (b *Burn) sure(w Window, s WindowSums) bool {
	expected := burnDoubt * w.Burn * (1 - b.Objective) * s.Long
	if s.LongBad < badFloor || s.LongBad <= expected {
		return false
	}
	return s.LongBad*math.Log(s.LongBad/expected)-s.LongBad+expected >= -math.Log(b.Options.FalseAlarms)
}

// worst is the window that is nearest to failing.
func (b *Burn) worst(l BurnLook) int {
	worst, most := 0, -1.0
	for i, w := range b.Windows {
		if r := min(b.rate(l[i].LongBad, l[i].Long), b.rate(l[i].ShortBad, l[i].Short)) / w.Burn; r > most {
			worst, most = i, r
		}
	}
	return worst
}

// verdict words a verdict about the window i.
func (b *Burn) verdict(kind core.VerdictKind, l BurnLook, i int, wording string) Verdict {
	w, s := b.Windows[i], l[i]
	rate := b.rate(s.LongBad, s.Long)
	e := Evidence{
		Looks: b.State.Looks, Before: b.State.Before, Unusable: b.State.Unusable,
		Candidate: rate * (1 - b.Objective), Control: 1 - b.Objective, Ratio: rate,
		Totals: &Totals{Candidate: s.Long, CandidateBad: s.LongBad},
		E:      rate, Most: rate, Needed: w.Burn,
	}
	what := fmt.Sprintf("%s burn the error budget of %s%% %s times as fast as it lasts over %s and %s times over %s, where %s is too fast, %s of %s",
		upper(b.Options.Name), strconv.FormatFloat(100*b.Objective, 'f', -1, 64), number(rate), core.Brief(w.Long),
		number(b.rate(s.ShortBad, s.Short)), core.Brief(w.Short), number(w.Burn), count(s.LongBad), count(s.Long))
	return Verdict{Verdict: kind, Reason: fmt.Sprintf(wording, what), Evidence: e}
}
