package metric

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

var (
	variable = regexp.MustCompile(`^\$(labels\.[A-Za-z0-9_]+|[A-Za-z_][A-Za-z0-9_]*)`)
	anyLabel = regexp.MustCompile(`\$labels\.([A-Za-z0-9_]+)`)
)

// A language is how the queries of a source take the variables of a plan:
//
//   - $targets are the names of the targets, $labels.NAME the values that they have for a label.
//   - $wave, $version and $previous are texts.
//   - $window is the stretch of time that a query covers; $from and $until are its ends.
//
// A value becomes data and never query, whatever it contains: put escapes it for the place where it stands, or refuses.
type language struct {
	quotes  string // each begins a string that the same ends
	raw     string // those of them between which a backslash is a character like any other
	comment string // begins a comment that ends with the line; empty: there are none
	put     func(v term, in place) (string, error)
}

// A term is what a variable stands for.
type term struct {
	name  string        // of the variable, as written
	texts []string      // of a list: sorted, each once, at least one; of a text: itself
	list  bool          // $targets and $labels.NAME
	span  time.Duration // $window
	at    time.Time     // $from and $until
}

// A place is where in a query a variable stands.
type place struct {
	quote  byte   // of the string around it; 0: none
	before string // the query up to it: up to the quote, if it stands in one
	inside string // the string up to it, if it stands in one
	after  string // the query after it, not filled in
}

// Fill puts the variables into a query.
func (l language) Fill(query string, v core.Variables) (string, error) {
	var out strings.Builder
	in := place{}
	for rest := query; rest != ""; {
		piece := rest[:1]
		switch name := variable.FindString(rest); {
		case name != "":
			one, err := termOf(name, v)
			if err != nil {
				return "", err
			}
			if in.quote == 0 {
				in.before = out.String()
			} else {
				in.inside = out.String()[len(in.before)+1:]
			}
			in.after = rest[len(name):]
			text, err := l.put(one, in)
			if err != nil {
				return "", err
			}
			out.WriteString(text)
			rest = rest[len(name):]
			continue
		case in.quote == 0 && l.comment != "" && strings.HasPrefix(rest, l.comment):
			piece, _, _ = strings.Cut(rest, "\n")
		case in.quote == 0 && strings.Contains(l.quotes, piece):
			in = place{quote: piece[0], before: out.String()}
		case in.quote != 0 && in.quote == piece[0]:
			in = place{}
		case in.quote != 0 && piece == `\` && strings.IndexByte(l.raw, in.quote) < 0:
			piece = rest[:min(2, len(rest))]
		}
		out.WriteString(piece)
		rest = rest[len(piece):]
	}
	return out.String(), nil
}

// termOf returns what a variable stands for.
func termOf(name string, v core.Variables) (term, error) {
	one := term{name: name}
	label, isLabel := strings.CutPrefix(name, "$labels.")
	switch {
	case isLabel, name == "$targets":
		one.list = true
		for _, t := range v.Targets {
			text := t.Name
			if isLabel {
				text = t.Labels[label]
			}
			if text != "" {
				one.texts = append(one.texts, text)
			}
		}
		if len(one.texts) == 0 { // an empty list would match nothing, or whatever lacks the label
			return term{}, fmt.Errorf("%s is empty: no target of the wave has it", name)
		}
		slices.Sort(one.texts)
		one.texts = slices.Compact(one.texts)
	case name == "$wave":
		one.texts = []string{v.Wave}
	case name == "$version":
		one.texts = []string{v.Version}
	case name == "$previous":
		one.texts = []string{v.Previous}
	case name == "$window":
		one.span = v.Window
	case name == "$from":
		one.at = v.At.Add(-v.Window)
	case name == "$until":
		one.at = v.At
	default:
		return term{}, fmt.Errorf("%s is unknown; known: $from, $labels.NAME, $previous, $targets, $until, $version, "+
			"$wave, $window (a group of a regex is ${%s})", name, name[1:])
	}
	return one, nil
}

// sample are made-up values for the variables of a query, so that it can be checked before there are any.
func sample(query string) core.Variables {
	target := core.Target{Name: "target", Labels: make(map[string]string)}
	for _, found := range anyLabel.FindAllStringSubmatch(query, -1) {
		target.Labels[found[1]] = "label"
	}
	return core.Variables{
		Targets: []core.Target{target}, Wave: "wave", Version: "version", Previous: "previous",
		Window: 5 * time.Minute, At: time.Unix(1_700_000_000, 0).UTC(),
	}
}

// alternation returns a regex that matches each of the texts and nothing else, also with more regex around it.
func alternation(texts []string) string {
	all := make([]string, len(texts))
	for i, t := range texts {
		all[i] = regexp.QuoteMeta(t)
	}
	if len(all) == 1 {
		return all[0]
	}
	return "(?:" + strings.Join(all, "|") + ")"
}
