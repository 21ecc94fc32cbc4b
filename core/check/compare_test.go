package check_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/breakwater-ci/breakwater/core"
	"github.com/breakwater-ci/breakwater/core/check"
)

// A meter is a source that knows what targets served: a query is a word, then $targets. It answers with Poisson counts
// that depend on nothing but the word, the target and the instant, so that asking again gives the same.
type meter struct {
	window time.Duration
	rate   func(word, target string, at time.Time) float64 // events in a window; a level as it is; NaN: no series

	mu    sync.Mutex
	asked int
	dead  error
}

func (m *meter) Window() time.Duration { return m.window }

func (m *meter) Fill(query string, v core.Variables) (string, error) {
	var names []string
	for _, t := range v.Targets {
		names = append(names, t.Name)
	}
	return strings.ReplaceAll(query, "$targets", strings.Join(names, ",")), nil
}

func (m *meter) Query(_ context.Context, q core.Query) ([]core.Sample, error) {
	m.mu.Lock()
	m.asked++
	dead := m.dead
	m.mu.Unlock()
	if dead != nil {
		return nil, dead
	}
	word, targets, _ := strings.Cut(q.Text, " ")
	var samples []core.Sample
	for target := range strings.SplitSeq(targets, ",") {
		for _, part := range parts(word) {
			mean := m.rate(part.word, target, q.At)
			if math.IsNaN(mean) {
				continue
			}
			samples = append(samples, core.Sample{Labels: part.labels, Value: drawn(part.word, target, q.At, mean)})
		}
	}
	return samples, nil
}

type part struct {
	word   string
	labels map[string]string
}

// parts are the series that a word stands for: of a histogram one for each bucket.
func parts(word string) []part {
	if word != "buckets" {
		return []part{{word: word}}
	}
	var all []part
	for _, le := range []string{"0.1", "0.5", "+Inf"} {
		all = append(all, part{word + le, map[string]string{"le": le}})
	}
	return all
}

// drawn is a level with a little noise, or a Poisson count.
func drawn(word, target string, at time.Time, mean float64) float64 {
	h := fnv.New64a()
	fmt.Fprint(h, word, target, at.Unix())
	r := rand.New(rand.NewPCG(h.Sum64(), 7))
	if word == "level" {
		return mean * math.Exp(0.05*r.NormFloat64())
	}
	if mean > 50 {
		return math.Max(0, math.Round(mean+math.Sqrt(mean)*r.NormFloat64()))
	}
	n, p := 0, r.Float64()
	for limit := math.Exp(-mean); p > limit; p *= r.Float64() {
		n++
	}
	return float64(n)
}

// A ranging meter answers at many instants at once, too.
type ranging struct{ *meter }

func (r ranging) Range(ctx context.Context, q core.Query, step time.Duration, n int) ([][]core.Sample, error) {
	all := make([][]core.Sample, n)
	for i := range all {
		one := q
		one.At = q.At.Add(-time.Duration(n-1-i) * step)
		all[i], _ = r.Query(ctx, one)
	}
	return all, nil
}

// began is when the wave of these tests began; it was out, and its bake started, two minutes later.
var began = start.Add(-2 * time.Minute)

// shop serves 1,000 requests a minute on each target, 1% of which fail; from the wave on, more fail on the wave's.
func shop(worse float64) func(word, target string, at time.Time) float64 {
	return func(word, target string, at time.Time) float64 {
		factor := 1.0
		if strings.HasPrefix(target, "new") && at.After(began) {
			factor = worse
		}
		switch word {
		case "errors":
			return 10 * factor
		case "total", "buckets+Inf":
			return 1000
		case "buckets0.1":
			return 1000 - 500*factor
		case "buckets0.5":
			return 1000 - 10*factor
		case "level":
			return 40 * factor
		default:
			return math.NaN()
		}
	}
}

func comparing() core.Asked {
	return core.Asked{
		Rollout: "1", Wave: "one-box", Version: "v2", Previous: "v1", Began: began, Since: start, Nth: 1,
		Targets: []core.Target{{Name: "new-1"}}, Control: []core.Target{{Name: "old-1"}, {Name: "old-2"}},
		Bake: core.Bake{Min: 30 * time.Minute, Max: time.Hour, Every: time.Minute},
	}
}

func ofErrors(name string) core.Check {
	return core.Check{Name: name, Timeout: time.Second, Compare: &core.Compare{
		Source: "prom", Errors: "errors $targets", Total: "total $targets", Control: core.Control{Kind: core.ControlPending},
		Direction: core.Increase, Method: core.MethodSequential,
	}}
}

func ofLevel(control core.Control, method core.Method) core.Check {
	return core.Check{Name: "cpu", Timeout: time.Second, Compare: &core.Compare{
		Source: "prom", Gauge: "level $targets", Control: control, Direction: core.Increase, Method: method,
	}}
}

func ofBuckets() core.Check {
	return core.Check{Name: "p99", Timeout: time.Second, Compare: &core.Compare{
		Source: "prom", Histogram: "buckets $targets", Quantile: 0.99, Control: core.Control{Kind: core.ControlPending},
		Direction: core.Increase, Method: core.MethodSequential,
	}}
}

// bake looks once a minute until a verdict decides, or the bake is over.
func bake(t *testing.T, l core.Looker, asked core.Asked) (core.Verdict, int) {
	t.Helper()
	var v core.Verdict
	minutes := int(asked.Bake.Max / time.Minute)
	for i := 1; i <= minutes; i++ {
		v = l.Look(t.Context(), asked.Since.Add(time.Duration(i)*time.Minute)).Verdicts[0]
		if v.Verdict == core.Fail || v.Verdict == core.Pass && i >= int(asked.Bake.Min/time.Minute) {
			return v, i
		}
	}
	return v, minutes
}

func compared(t *testing.T, asked core.Asked, source core.Source, checks ...core.Check) core.Looker {
	t.Helper()
	return openPlan(t, asked, &core.Plan{FalseAlarms: 0.01, Checks: checks}, map[string]core.Source{"prom": source}, &clock{start})
}

func TestCompare(t *testing.T) {
	before, weeks := core.Control{Kind: core.ControlBefore}, core.Control{Kind: core.ControlWeeks, Weeks: 2}
	pending := core.Control{Kind: core.ControlPending}
	earlier := ofErrors("errors")
	earlier.Compare.Control = before
	for name, c := range map[string]struct {
		check core.Check
		worse float64
		want  core.VerdictKind
		says  string
	}{
		"errors, healthy":                 {ofErrors("errors"), 1, core.Pass, "against"},
		"errors, worse":                   {ofErrors("errors"), 3, core.Fail, "chance of that in a healthy release below 1 in"},
		"errors against before, healthy":  {earlier, 1, core.Pass, "compared with the same targets 1h2m earlier"},
		"errors against before, worse":    {earlier, 3, core.Fail, "compared with the same targets 1h2m earlier"},
		"latency, healthy":                {ofBuckets(), 1, core.Pass, "P99 slower than"},
		"latency, worse":                  {ofBuckets(), 1.5, core.Fail, "P99 slower than 0."},
		"a level, healthy":                {ofLevel(pending, core.MethodSequential), 1, core.Pass, "Cpu "},
		"a level, worse":                  {ofLevel(pending, core.MethodSequential), 1.5, core.Fail, "Cpu "},
		"a level against weeks, healthy":  {ofLevel(weeks, core.MethodSequential), 1, core.Pass, "compared with the same hours of 2 past weeks"},
		"a level against weeks, worse":    {ofLevel(weeks, core.MethodSequential), 1.5, core.Fail, "the same hours of 2 past weeks"},
		"a level by ranks, healthy":       {ofLevel(pending, core.MethodMannWhitney), 1, core.Pass, "Cpu "},
		"a level by ranks, worse":         {ofLevel(pending, core.MethodMannWhitney), 1.5, core.Fail, "Cpu "},
		"a level against before, healthy": {ofLevel(before, core.MethodSequential), 1, core.Pass, "the same targets 1h2m earlier"},
		"a level against before, worse":   {ofLevel(before, core.MethodSequential), 1.5, core.Fail, "the same targets 1h2m earlier"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := comparing()
			v, at := bake(t, compared(t, asked, &meter{rate: shop(c.worse)}, c.check), asked)
			if v.Verdict != c.want || !strings.Contains(v.Reason, c.says) {
				t.Fatalf("minute %d: %s: %s, want %s: ... %s", at, v.Verdict, v.Reason, c.want, c.says)
			}
			var proof struct {
				Looks  int
				Bake   int
				Budget float64
			}
			if err := json.Unmarshal(v.Evidence, &proof); err != nil || proof.Looks == 0 || proof.Bake != 1 || proof.Budget != 0.005 {
				t.Errorf("evidence %s: %v", v.Evidence, err)
			}
			if v.Value == nil || v.Query == "" || v.Window != "1m" || len(v.Memory) == 0 || len(v.Memory) > 16<<10 {
				t.Errorf("incomplete: %+v with %d bytes of memory", v, len(v.Memory))
			}
		})
	}
}

// TestCompareWithOwnPast has a source that knows the past: three quiet days of it are the control of a level.
func TestCompareWithOwnPast(t *testing.T) {
	for worse, want := range map[float64]core.VerdictKind{1: core.Pass, 1.5: core.Fail} {
		asked := comparing()
		check := ofLevel(core.Control{Kind: core.ControlBefore}, core.MethodSequential)
		v, _ := bake(t, compared(t, asked, ranging{&meter{rate: shop(worse)}}, check), asked)
		if v.Verdict != want || !strings.Contains(v.Reason, "compared with its own past") {
			t.Errorf("%v times: %s: %s, want %s", worse, v.Verdict, v.Reason, want)
		}
	}
}

// TestCompareOnTheLastWave has no targets left to compare with.
func TestCompareOnTheLastWave(t *testing.T) {
	asked := comparing()
	asked.Control = nil
	v, _ := bake(t, compared(t, asked, &meter{rate: shop(3)}, ofErrors("errors")), asked)
	if v.Verdict != core.Fail || !strings.Contains(v.Reason, "earlier, for no target is pending") {
		t.Errorf("%s: %s", v.Verdict, v.Reason)
	}
}

// TestCompareGoesOn takes a bake over after every look: it must end as one that was never interrupted, at the same look,
// for the same reason.
func TestCompareGoesOn(t *testing.T) {
	checks := []core.Check{
		ofErrors("errors"), ofBuckets(), ofLevel(core.Control{Kind: core.ControlPending}, core.MethodSequential),
		ofLevel(core.Control{Kind: core.ControlBefore}, core.MethodSequential),
		ofLevel(core.Control{Kind: core.ControlPending}, core.MethodMannWhitney),
	}
	for i, check := range checks {
		asked := comparing()
		source := ranging{&meter{rate: shop(1.6)}}
		whole, at := bake(t, compared(t, asked, source, check), asked)
		var v core.Verdict
		for k := 1; k <= at; k++ {
			one := asked
			if k > 1 {
				one.Known = []core.Verdict{v}
			}
			v = compared(t, one, source, check).Look(t.Context(), asked.Since.Add(time.Duration(k)*time.Minute)).Verdicts[0]
		}
		if v.Verdict != whole.Verdict || v.Reason != whole.Reason {
			t.Errorf("check %d, look %d:\ngot  %s: %s\nwant %s: %s", i, at, v.Verdict, v.Reason, whole.Verdict, whole.Reason)
		}
	}
}

// TestCompareLooksDoNotOverlap looks four times a minute at a source that needs a minute.
func TestCompareLooksDoNotOverlap(t *testing.T) {
	asked := comparing()
	asked.Bake.Every = 15 * time.Second
	m := &meter{rate: shop(1), window: time.Minute}
	l := compared(t, asked, m, ofErrors("errors"))
	if first := l.(core.Delayed).FirstLook(); !first.Equal(start.Add(time.Minute)) {
		t.Errorf("first look at %s", first)
	}
	l.Look(t.Context(), start.Add(time.Minute))
	m.asked = 0
	for i := 5; i <= 12; i++ {
		l.Look(t.Context(), start.Add(time.Duration(i)*15*time.Second))
	}
	if m.asked != 2*4 { // errors and total of both arms, at minutes two and three
		t.Errorf("asked %d times", m.asked)
	}
}

func TestCompareVetoesWhatWasBrokenBefore(t *testing.T) {
	asked := comparing()
	sick := func(word, target string, at time.Time) float64 {
		if word == "errors" && target == "new-1" {
			return 40
		}
		return shop(1)(word, target, at)
	}
	v, _ := bake(t, compared(t, asked, &meter{rate: sick}, ofErrors("errors")), asked)
	if v.Verdict != core.Inconclusive || !strings.Contains(v.Reason, "already broken before us") {
		t.Errorf("%s: %s", v.Verdict, v.Reason)
	}
}

// TestCompareJudgesTogether has eight checks that see the same. Each alone would need eight times the evidence of all.
func TestCompareJudgesTogether(t *testing.T) {
	asked := comparing()
	var checks []core.Check
	for i := range 8 {
		checks = append(checks, ofErrors(fmt.Sprintf("errors-%d", i)))
	}
	l := compared(t, asked, &meter{rate: shop(1.5)}, checks...)
	for i := 1; i <= 60; i++ {
		seen := l.Look(t.Context(), start.Add(time.Duration(i)*time.Minute)).Verdicts
		at := slices.IndexFunc(seen, func(v core.Verdict) bool { return v.Verdict == core.Fail })
		if at < 0 {
			continue
		}
		failed := 0
		for _, v := range seen {
			if v.Verdict == core.Fail {
				failed++
			}
		}
		if failed != 1 || !strings.Contains(seen[at].Reason, "with what 7 other checks have seen") {
			t.Errorf("%d failed at minute %d: %s", failed, i, seen[at].Reason)
		}
		again := l.Look(t.Context(), start.Add(time.Duration(i+1)*time.Minute)).Verdicts
		if again[at].Verdict != core.Fail {
			t.Errorf("a fail is final, but now it is %s", again[at].Verdict)
		}
		return
	}
	t.Error("they never failed")
}

func TestCompareWithoutAnAnswer(t *testing.T) {
	asked := comparing()
	m := &meter{rate: shop(1)}
	l := compared(t, asked, m, ofErrors("errors"))
	m.dead = refusal("no such database")
	v := l.Look(t.Context(), start.Add(time.Minute)).Verdicts[0]
	is(t, v, core.Error, "before the wave: source prom could not be asked: no such database")
	m.dead = nil
	if v := l.Look(t.Context(), start.Add(2*time.Minute)).Verdicts[0]; v.Verdict != core.Inconclusive {
		t.Errorf("%s: %s", v.Verdict, v.Reason)
	}
	m.dead = refusal("gone")
	v = l.Look(t.Context(), start.Add(3*time.Minute)).Verdicts[0]
	is(t, v, core.Error, "source prom could not be asked: gone")
	if len(v.Memory) == 0 {
		t.Error("an error forgets what was seen before")
	}

	nothing := &meter{rate: func(string, string, time.Time) float64 { return math.NaN() }}
	v, _ = bake(t, compared(t, asked, nothing, ofErrors("errors")), asked)
	if v.Verdict != core.Inconclusive || !strings.Contains(v.Reason, "missing, negative or zero") {
		t.Errorf("%s: %s", v.Verdict, v.Reason)
	}
}

// TestCompareAQuietService has no errors at all: that is a pass once there was enough traffic.
func TestCompareAQuietService(t *testing.T) {
	asked := comparing()
	quiet := func(word, _ string, _ time.Time) float64 {
		if word == "errors" {
			return math.NaN() // the series begins with the first error
		}
		return 1000
	}
	if v, at := bake(t, compared(t, asked, &meter{rate: quiet}, ofErrors("errors")), asked); v.Verdict != core.Pass || at != 30 {
		t.Errorf("minute %d: %s: %s", at, v.Verdict, v.Reason)
	}
}

func TestComparePrecheck(t *testing.T) {
	asked := comparing()
	asked.Wave, asked.Began, asked.Since = "", time.Time{}, start
	for name, c := range map[string]struct {
		rate func(word, target string, at time.Time) float64
		want core.VerdictKind
		says string
	}{
		"healthy": {shop(1), core.Pass, "went wrong; there is no wave yet to compare"},
		"no data": {func(string, string, time.Time) float64 { return math.NaN() }, core.Inconclusive, "no data"},
		"down":    {func(word, _ string, _ time.Time) float64 { return map[string]float64{"errors": 90, "total": 100}[word] }, core.Fail, "went wrong"},
	} {
		v := compared(t, asked, &meter{rate: c.rate}, ofErrors("errors")).Look(t.Context(), start).Verdicts[0]
		if v.Verdict != c.want || !strings.Contains(v.Reason, c.says) {
			t.Errorf("%s: %s: %s", name, v.Verdict, v.Reason)
		}
	}
}

// TestCompareAfterARollback passes once some looks show no harm: nobody waits for proof.
func TestCompareAfterARollback(t *testing.T) {
	asked := comparing()
	asked.Back = true
	for worse, want := range map[float64]core.VerdictKind{1: core.Pass, 10: core.Fail} {
		l := compared(t, asked, &meter{rate: shop(worse)}, ofErrors("errors"))
		var v core.Verdict
		for i := 1; i <= 10 && v.Verdict != core.Pass && v.Verdict != core.Fail; i++ {
			v = l.Look(t.Context(), start.Add(time.Duration(i)*time.Minute)).Verdicts[0]
		}
		if v.Verdict != want {
			t.Errorf("%v times: %s: %s", worse, v.Verdict, v.Reason)
		}
	}
}

// TestShadow judges without a share of the budget, and says that it does not count.
func TestShadow(t *testing.T) {
	asked := comparing()
	shadow := ofErrors("shadow")
	shadow.Shadow = true
	seen := compared(t, asked, &meter{rate: shop(1)}, ofErrors("errors"), shadow).Look(t.Context(), start.Add(time.Minute)).Verdicts
	if seen[0].Shadow || !seen[1].Shadow {
		t.Errorf("%+v", seen)
	}
	var proof struct{ Tests int }
	if err := json.Unmarshal(seen[0].Evidence, &proof); err != nil || proof.Tests != 1 {
		t.Errorf("%d tests share the budget: %v", proof.Tests, err)
	}
}

// TestLaterBakesSpendLess says so when one fails.
func TestLaterBakesSpendLess(t *testing.T) {
	asked := comparing()
	asked.Nth = 3
	v, _ := bake(t, compared(t, asked, &meter{rate: shop(4)}, ofErrors("errors")), asked)
	if v.Verdict != core.Fail || !strings.HasSuffix(v.Reason, "; bake 3 of the rollout may spend 0.083% of false alarms") {
		t.Errorf("%s: %s", v.Verdict, v.Reason)
	}
}

// A siren is a source of alarms.
type siren struct {
	script
	alarms []core.Alarm
	err    error
	from   time.Time
}

func (s *siren) Alarms(_ context.Context, names []string, from, _ time.Time) ([]core.Alarm, error) {
	s.from = from
	if s.err != nil {
		return nil, s.err
	}
	return s.alarms, nil
}

func TestAlarms(t *testing.T) {
	after, long := began.Add(3*time.Minute), began.Add(-time.Hour)
	check := core.Check{Name: "pager", Timeout: time.Second, Alarms: &core.AlarmNames{Source: "am", Names: []string{"high", "low"}}}
	alarm := func(e ...core.Episode) []core.Alarm { return []core.Alarm{{Name: "high", Episodes: e}, {Name: "low"}} }
	for name, c := range map[string]struct {
		alarms []core.Alarm
		err    error
		want   string
	}{
		"quiet":             {alarm(), nil, "pass: none of 2 alarms fired since the wave began"},
		"fired and over":    {alarm(core.Episode{From: after, Until: after.Add(time.Second), Text: "5xx"}), nil, "fail: alarm high fired at 2026-03-01T12:01:00Z: 5xx"},
		"firing":            {alarm(core.Episode{From: after}), nil, "fail: alarm high fired at 2026-03-01T12:01:00Z"},
		"firing before":     {alarm(core.Episode{From: long}), nil, "inconclusive: alarm high was firing before the wave began: already broken before us"},
		"over before":       {alarm(core.Episode{From: long, Until: began}), nil, "pass: none of 2 alarms fired since the wave began"},
		"before and again":  {alarm(core.Episode{From: long, Until: began}, core.Episode{From: after}), nil, "fail: alarm high fired at 2026-03-01T12:01:00Z"},
		"partly not known":  {[]core.Alarm{{Name: "high", Blind: "it was paused"}}, nil, "inconclusive: alarm high: it was paused"},
		"not to be reached": {nil, refusal("no such alarm"), "error: source am could not be asked: no such alarm"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &siren{alarms: c.alarms, err: c.err}
			l := openPlan(t, comparing(), &core.Plan{Checks: []core.Check{check}}, map[string]core.Source{"am": s}, &clock{start})
			v := l.Look(t.Context(), start.Add(5*time.Minute)).Verdicts[0]
			if got := fmt.Sprintf("%s: %s", v.Verdict, v.Reason); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if !s.from.Before(began) {
				t.Errorf("asked from %s only", s.from)
			}
		})
	}
}

// TestAlarmsRemember has a source that forgets an alarm once it is over.
func TestAlarmsRemember(t *testing.T) {
	check := core.Check{Name: "pager", Timeout: time.Second, Alarms: &core.AlarmNames{Source: "am", Names: []string{"high"}}}
	s := &siren{alarms: []core.Alarm{{Name: "high", Episodes: []core.Episode{{From: start}}}}}
	asked := comparing()
	one := openPlan(t, asked, &core.Plan{Checks: []core.Check{check}}, map[string]core.Source{"am": s}, &clock{start}).Look(t.Context(), start.Add(time.Minute))
	s.alarms[0].Episodes = nil
	asked.Known = one.Verdicts
	two := openPlan(t, asked, &core.Plan{Checks: []core.Check{check}}, map[string]core.Source{"am": s}, &clock{start}).Look(t.Context(), start.Add(2*time.Minute))
	if two.Verdicts[0].Verdict != core.Fail || two.Verdicts[0].Reason != one.Verdicts[0].Reason {
		t.Errorf("%+v", two.Verdicts[0])
	}
}

func TestAlarmsOfASourceWithoutAny(t *testing.T) {
	check := core.Check{Name: "pager", Alarms: &core.AlarmNames{Source: "prom", Names: []string{"high"}}}
	l := openPlan(t, comparing(), &core.Plan{Checks: []core.Check{check}}, map[string]core.Source{"prom": values(1.0)}, &clock{start})
	is(t, l.Look(t.Context(), start).Verdicts[0], core.Error, "source prom could not be asked: it knows no alarms")
}

func TestBurnRate(t *testing.T) {
	check := core.Check{Name: "slo", Timeout: time.Second, BurnRate: &core.BurnRate{
		Source: "prom", Objective: 0.999, Errors: "errors $targets", Total: "total $targets",
		Windows: []core.BurnWindow{{Long: time.Hour, Short: 5 * time.Minute, Burn: 14.4}},
	}}
	for name, c := range map[string]struct {
		before, after float64 // share of errors
		want          core.VerdictKind
		says          string
	}{
		"healthy":         {0.0005, 0.0005, core.Pass, "where 14 is too fast"},
		"burning":         {0.0005, 0.05, core.Fail, "Slo burn the error budget of 99.9%"},
		"already burning": {0.05, 0.05, core.Inconclusive, "already so before the deploy"},
	} {
		t.Run(name, func(t *testing.T) {
			rate := func(word, _ string, at time.Time) float64 {
				share := c.before
				if at.After(began) {
					share = c.after
				}
				if word == "errors" {
					return 1e5 * share
				}
				return 1e5
			}
			l := compared(t, comparing(), &meter{rate: rate}, check)
			v := l.Look(t.Context(), start.Add(time.Minute)).Verdicts[0]
			if v.Verdict != c.want || !strings.Contains(v.Reason, c.says) || len(v.Memory) == 0 || len(v.Evidence) == 0 {
				t.Errorf("%s: %s", v.Verdict, v.Reason)
			}
		})
	}
	dead := &meter{rate: shop(1), dead: refusal("down")}
	asked := comparing()
	asked.Wave = ""
	if v := compared(t, asked, dead, check).Look(t.Context(), start).Verdicts[0]; v.Verdict != core.Error {
		t.Errorf("%s: %s", v.Verdict, v.Reason)
	}
}

// TestWorse doubles the requests beyond each edge, for the wave and after its beginning only.
func TestWorse(t *testing.T) {
	spec, wave := ofBuckets().Compare, comparing().Targets
	slow := check.Worse(fixed{new(meter), map[string]float64{"0.1": 700, "0.5": 990, "+Inf": 1000}}, *spec, wave, 2, began)
	ask := func(targets []core.Target, at time.Time) map[string]float64 {
		text, err := slow.Fill(spec.Histogram, core.Variables{Targets: targets})
		if err != nil {
			t.Fatal(err)
		}
		samples, err := slow.Query(t.Context(), core.Query{Text: text, At: at})
		if err != nil {
			t.Fatal(err)
		}
		all := make(map[string]float64)
		for _, s := range samples {
			all[s.Labels["le"]] = s.Value
		}
		return all
	}
	as := map[string]float64{"0.1": 700, "0.5": 990, "+Inf": 1000}
	if got := ask(wave, start); got["0.1"] != 400 || got["0.5"] != 980 || got["+Inf"] != 1000 {
		t.Errorf("the wave: %v", got)
	}
	if got := ask(wave, began); !maps.Equal(got, as) {
		t.Errorf("the wave before it began: %v", got)
	}
	if got := ask(comparing().Control, start); !maps.Equal(got, as) {
		t.Errorf("the control: %v", got)
	}
}

// A fixed source has buckets that never change.
type fixed struct {
	*meter
	buckets map[string]float64
}

func (f fixed) Query(context.Context, core.Query) ([]core.Sample, error) {
	var samples []core.Sample
	for le, n := range f.buckets {
		samples = append(samples, core.Sample{Labels: map[string]string{"le": le}, Value: n})
	}
	return samples, nil
}
