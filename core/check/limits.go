package check

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/breakwater-ci/breakwater/core"
)

// limits are what values must stay within. A nil limit is none.
type limits struct{ min, max *float64 }

// check finds limits that would let everything pass.
func (l limits) check() error {
	switch {
	case l.min == nil && l.max == nil:
		return errors.New("it has no limit; give it max or min")
	case l.min != nil && math.IsNaN(*l.min), l.max != nil && math.IsNaN(*l.max):
		return errors.New("its limit is not a number")
	default:
		return nil
	}
}

// evidence are the limits that a value is held against; none if they cannot be written as numbers of JSON.
func (l limits) evidence() json.RawMessage {
	text, err := json.Marshal(struct {
		Min *float64 `json:"min,omitempty"`
		Max *float64 `json:"max,omitempty"`
	}{l.min, l.max})
	if err != nil {
		return nil
	}
	return text
}

func (l limits) broken(v float64) bool {
	return l.max != nil && v > *l.max || l.min != nil && v < *l.min
}

// excess is how far a value is out of the limits; below 0 it is how far within.
func (l limits) excess(v float64) float64 {
	e := math.Inf(-1)
	for _, d := range []struct {
		limit *float64
		sign  float64
	}{{l.max, 1}, {l.min, -1}} {
		if d.limit != nil && v != *d.limit {
			e = max(e, d.sign*(v-*d.limit))
		} else if d.limit != nil {
			e = max(e, 0) // of two infinities, too
		}
	}
	return e
}

// worst returns the sample that is farthest out of the limits, or nearest to leaving them. A sample that is not a
// number is none; ok is false if there are no others.
func (l limits) worst(samples []core.Sample) (worst core.Sample, ok bool) {
	numbers := slices.DeleteFunc(slices.Clone(samples), func(s core.Sample) bool { return math.IsNaN(s.Value) })
	if len(numbers) == 0 {
		return core.Sample{}, false
	}
	return slices.MaxFunc(numbers, func(a, b core.Sample) int {
		return cmp.Or(cmp.Compare(l.excess(a.Value), l.excess(b.Value)), cmp.Compare(labels(b), labels(a)))
	}), true
}

// say puts a sample into words: "0.93 is above max 0.9 (instance a1)".
func (l limits) say(s core.Sample) string {
	where := ""
	if text := labels(s); text != "" {
		where = " (" + text + ")"
	}
	switch {
	case l.max != nil && s.Value > *l.max:
		value, limit := numbers(s.Value, *l.max)
		return fmt.Sprintf("%s is above max %s%s", value, limit, where)
	case l.min != nil && s.Value < *l.min:
		value, limit := numbers(s.Value, *l.min)
		return fmt.Sprintf("%s is below min %s%s", value, limit, where)
	case l.min == nil:
		value, limit := numbers(s.Value, *l.max)
		return fmt.Sprintf("%s is within max %s%s", value, limit, where)
	case l.max == nil:
		value, limit := numbers(s.Value, *l.min)
		return fmt.Sprintf("%s is within min %s%s", value, limit, where)
	default:
		return fmt.Sprintf("%s is within %s and %s%s", number(s.Value), number(*l.min), number(*l.max), where)
	}
}

// labels names a sample: "code 500, instance a1".
func labels(s core.Sample) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		if name != "__name__" {
			all = append(all, name+" "+s.Labels[name])
		}
	}
	return strings.Join(all, ", ")
}

// numbers writes two numbers so that they differ if they do.
func numbers(a, b float64) (string, string) {
	textA, textB := number(a), number(b)
	if textA == textB && a != b {
		return strconv.FormatFloat(a, 'g', -1, 64), strconv.FormatFloat(b, 'g', -1, 64)
	}
	return textA, textB
}

// number writes a number for people: 0.93, 12,345, 1.2e-05.
func number(v float64) string {
	size := math.Abs(v)
	switch {
	case math.IsInf(v, 0), size >= 1e15, size < 1e-3 && v != 0:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case v == math.Trunc(v):
		return grouped(strconv.FormatFloat(v, 'f', 0, 64))
	case size >= 1000:
		return grouped(strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0"))
	default:
		return grouped(strconv.FormatFloat(v, 'g', 4, 64))
	}
}

// grouped puts commas into the whole part of a number.
func grouped(text string) string {
	digits, fraction, _ := strings.Cut(text, ".")
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if fraction == "" {
		return digits
	}
	return digits + "." + fraction
}
