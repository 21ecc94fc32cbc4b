package judge

import (
	"math"
	"slices"
)

const (
	shiftWeight = 0.5  // of the evidence for a shift;
	stepWeight  = 0.25 // for a step; the rest is for single looks far out
	outlierRate = 0.2  // share of looks that are far out in a regression of that kind
	gaugeCap    = 100  // most that one look may multiply the evidence by
	stayCap     = 20   // the same for a look that only shows that a step stays
	pairCap     = 1e4  // the same for two looks together
	gaugeAlone  = 4    // evidence that must be left without the look that told most
	gaugeWindow = 15   // looks that the local scale is taken from: noise comes and goes with load
	gaugeScale  = 1e-3 // noise that even the quietest gauge has, in logarithms: 0.1%
	shiftTails  = 4    // degrees of freedom for shifts: tails that no single look can abuse
	correlated  = 0.2  // lag-one correlation that an hour of independent looks does not show: 2.3 standard errors
	ownOffset   = 2    // standard errors by which arms must have differed before, to be taken as different
	sharedJump  = 2    // scales by which a control jumps up at once when both arms do
)

// The alternatives, in scales of the noise. The last step and outlier stand for everything far beyond what was seen.
var (
	shifts   = [...]float64{0.3, 0.7, 1.5}
	steps    = [...]float64{1.5, 3, 6, math.MaxFloat64}
	outliers = [...]float64{1.5, 3, 6, math.MaxFloat64}
	smooths  = [...]int{1, 3, 5} // over how many looks the control may be smoothed
)

// arms are the logarithms of both arms before the deploy, usable looks only.
type arms struct {
	control, candidate []float64
	gap                []int // looks since the one before
}

func (a *arms) add(control, candidate float64, gap int) {
	a.control, a.candidate, a.gap = append(a.control, control), append(a.candidate, candidate), append(a.gap, gap)
}

func (a *arms) negate() {
	for i := range a.control {
		a.control[i], a.candidate[i] = -a.control[i], -a.candidate[i]
	}
}

// A gaugeSide asks whether the candidate has moved in one direction. Its fields are its memory.
type gaugeSide struct {
	Direction Direction `json:"direction"`
	Base      smoothing `json:"base"`
	Usual     float64   `json:"usual"`  // candidate minus base, before
	Centre    float64   `json:"centre"` // the same, with what was learnt since
	Phi       float64   `json:"phi"`    // what a look owes to the look before it
	Scale     float64   `json:"scale"`  // of what it does not
	Tails     float64   `json:"tails"`  // degrees of freedom of it
	Looks     int       `json:"looks"`  // since the deploy
	Last      float64   `json:"last"`   // candidate minus base at the last usable look
	Leap      float64   `json:"leap"`   // by how many scales it was out, against the one before
	Before    float64   `json:"before"` // candidate minus base at the usable look before the last,
	Gap       int       `json:"gap"`    // which was so many looks before it
	Recent    []float64 `json:"recent"` // the last innovations
	Shifts    mixture   `json:"shifts"`
	Steps     mixture   `json:"steps"`
	Outliers  mixture   `json:"outliers"`
	Old       float64   `json:"old"`   // looks before the deploy
	Known     float64   `json:"known"` // looks that Centre was taken from
}

// harm is the evidence: the average over what a regression may look like.
func (s *gaugeSide) harm() float64 { return s.weigh((*mixture).value) }

// without is at least what would be left of it without the look that told most.
func (s *gaugeSide) without() float64 { return s.weigh((*mixture).without) }

func (s *gaugeSide) weigh(what func(*mixture, func(int) float64) float64) float64 {
	return shiftWeight*what(&s.Shifts, evenly(len(shifts))) + stepWeight*what(&s.Steps, evenly(len(steps))) +
		(1-shiftWeight-stepWeight)*what(&s.Outliers, evenly(len(outliers)))
}

// newGaugeSide sums up what was before the deploy.
func newGaugeSide(d Direction, before arms) gaugeSide {
	s := gaugeSide{
		Direction: d, Shifts: newMixture(len(shifts)), Steps: newMixture(len(steps)), Outliers: newMixture(len(outliers)),
		Old: float64(len(before.control)), Known: float64(len(before.control)),
	}
	s.Base = chooseSmoothing(before)
	diff := s.Base.differences(before)
	s.Centre = centre(diff)
	s.Phi = owed(diff, before.gap, s.Centre)
	if math.Abs(s.Centre) < ownOffset*scale(diff)*math.Sqrt((1+s.Phi)/(1-s.Phi)/s.Known) {
		s.Centre = 0
	}
	s.Usual = s.Centre
	var innovations []float64
	for i, x := range diff {
		if i > 0 || s.Phi == 0 {
			innovations = append(innovations, s.innovation(x, before.gap[i], s.Centre))
		}
		s.Last = x
	}
	s.Scale = scale(innovations)
	s.Tails = tails(innovations, s.Scale)
	s.Recent = slices.Clone(innovations[max(0, len(innovations)-gaugeWindow-1):])
	return s
}

// look takes a look after the deploy.
func (s *gaugeSide) look(control, candidate float64, gap int, margin float64) {
	if s.Direction == Decrease {
		control, candidate = -control, -candidate
	}
	x := candidate - s.Base.next(control)
	beyond := s.innovation(x, gap, s.Centre+margin)
	local := beyond / s.localScale()
	far := beyond / s.Scale
	s.Looks++
	s.Shifts.step(func(i int) float64 {
		// For noise that is as often up as down this is an exact e-value, whatever its scale and shape.
		return s.fade(2 / (1 + math.Exp(student(local+shifts[i], shiftTails)-student(local-shifts[i], shiftTails))))
	})
	s.Outliers.step(func(i int) float64 {
		return s.fade(min(1-outlierRate+outlierRate*s.outlier(far, outliers[i]), gaugeCap))
	})
	s.step(x, gap, far, margin)
	news := s.innovation(x, gap, s.Centre)
	s.Recent = append(s.Recent, news)
	s.Recent = s.Recent[max(0, len(s.Recent)-gaugeWindow-1):]
	s.learn(news)
	s.Before, s.Gap, s.Last = s.Last, gap, x
}

// step takes a look for a step up that stays. Where looks are correlated most of what tells of it is in its first look,
// and one bad look must not fail a release. So it takes two: the first against the look before it, and the second against
// that one too, as if the first had not been. The lesser of both counts, and a single look far out moves only one of them.
func (s *gaugeSide) step(x float64, gap int, far, margin float64) {
	first := s.Leap
	second := (s.after(s.Before, x, s.Gap+gap, s.Centre) - margin) / s.Scale
	s.Leap = (s.innovation(x, gap, s.Centre) - margin) / s.Scale
	if s.Looks == 1 {
		return
	}
	s.Steps.enter(func(i int) float64 {
		return min(s.outlier(first, steps[i]), s.outlier(second, steps[i]), pairCap)
	}, func(i int) float64 {
		if steps[i] == math.MaxFloat64 {
			return 1 // how far it has stepped is not known
		}
		return s.fade(min(s.outlier(far, (1-s.Phi)*steps[i]), stayCap))
	})
}

// fade is what a look's evidence counts once there are more looks than there were before the deploy. What those have told
// of the noise is off by a little, and the longer the bake the more that little looks like a shift. A power below 1 of an
// e-value is one.
func (s *gaugeSide) fade(e float64) float64 {
	if n := float64(s.Looks); n > s.Old {
		return math.Pow(e, s.Old/n)
	}
	return e
}

// learn takes what a look tells of how the arms compare anyway. The looks before the deploy do not tell it exactly, and what
// is off by a little looks like a small shift that never ends. A shift that is real moves it too, but more slowly than it is
// found. Arms that were alike are left so.
func (s *gaugeSide) learn(news float64) {
	if s.Centre == 0 {
		return
	}
	z := news / s.Scale
	s.Known++
	s.Centre += news * (shiftTails + 1) / (shiftTails + z*z) / (s.Known * (1 - s.Phi))
}

// outlier is the likelihood ratio of a look that is size scales out, against the noise before the deploy.
func (s *gaugeSide) outlier(z, size float64) float64 {
	if size < math.MaxFloat64 {
		return math.Exp(student(z-size, s.Tails) - student(z, s.Tails))
	}
	if z <= 1 {
		return 0
	}
	anywhere := 0.5 / (z * math.Pow(1+math.Log(z), 1.5)) // a density over all sizes above 1, however large
	return anywhere / math.Exp(student(z, s.Tails)+studentPeak(s.Tails))
}

// innovation is what a look does not owe to the last one, on the scale of adjacent looks.
func (s *gaugeSide) innovation(x float64, gap int, centre float64) float64 {
	return s.after(s.Last, x, gap, centre)
}

// after is what x does not owe to the look before it that was last.
func (s *gaugeSide) after(last, x float64, gap int, centre float64) float64 {
	if s.Phi == 0 {
		return x - centre
	}
	owed := math.Pow(s.Phi, float64(gap))
	return (x - centre - owed*(last-centre)) * math.Sqrt((1-s.Phi*s.Phi)/(1-owed*owed))
}

// localScale is the scale of the last innovations, from their differences: a shift does not widen it.
func (s *gaugeSide) localScale() float64 {
	var steps []float64
	for i := 1; i < len(s.Recent); i++ {
		steps = append(steps, math.Abs(s.Recent[i]-s.Recent[i-1]))
	}
	if len(steps) < 4 {
		return s.Scale
	}
	return max(median(steps)/0.954, gaugeScale) // 0.954 is the median of it for normal noise
}

// error is the standard error of the mean of n looks against the looks before the deploy.
func (s *gaugeSide) error(n float64) float64 {
	return s.Scale / (1 - s.Phi) * math.Sqrt(1/n+1/s.Known)
}

// smoothing is what the candidate is compared with: the control now, or the median of its last looks. Where the arms'
// noise is independent, smoothing the control takes away half of the noise of the comparison.
type smoothing struct {
	Over   int       `json:"over"` // looks
	Recent []float64 `json:"recent"`
	Jump   float64   `json:"jump"` // how far up the control must be to count as it is: what both arms share comes at once
}

// chooseSmoothing takes the smoothing that predicted the candidate best before the deploy. Where looks are correlated it
// takes none: a median lags behind what both arms share.
func chooseSmoothing(before arms) smoothing {
	best := smoothing{Over: 1}
	diff := best.differences(before)
	if lagOne(diff, before.gap, median(diff)) > correlated {
		return smoothing{Over: 1}
	}
	least := spread(diff)
	for _, over := range smooths[1:] {
		s := smoothing{Over: over, Jump: math.Inf(1)}
		var off []float64
		for _, x := range before.control {
			off = append(off, math.Abs(x-s.next(x)))
		}
		s.Jump, s.Recent = sharedJump*1.25*mean(off), nil
		if w := spread(s.differences(before)); w < 0.97*least {
			best, least = s, w
		}
	}
	return smoothing{Over: best.Over, Jump: best.Jump}
}

// next takes the control's value and returns what to compare the candidate with.
func (s *smoothing) next(control float64) float64 {
	s.Recent = append(s.Recent, control)
	s.Recent = s.Recent[max(0, len(s.Recent)-s.Over):]
	base := median(s.Recent)
	if control > base+s.Jump {
		return control
	}
	return base
}

// differences are candidate minus base over the looks before the deploy.
func (s *smoothing) differences(before arms) []float64 {
	diff := make([]float64, len(before.control))
	for i, control := range before.control {
		diff[i] = before.candidate[i] - s.next(control)
	}
	return diff
}
