package check

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/breakwater-ci/breakwater/core"
)

var (
	variable = regexp.MustCompile(`^\$(labels\.[A-Za-z0-9_]+|[A-Za-z_][A-Za-z0-9_]*)`)
	anyLabel = regexp.MustCompile(`\$labels\.([A-Za-z0-9_]+)`)
	operator = regexp.MustCompile(`(=~|!~|==|!=|=)\s*$`)
)

// Fill puts the variables into a PromQL query:
//
//   - $targets is a regex that matches the names of the scope's targets, $labels.NAME one that matches the values that
//     they have for a label. Both must stand in quotes and be matched with =~ or !~.
//   - $wave, $version and $previous are texts. They must stand in quotes; next to =~ and !~ they match literally.
//   - $window is a duration.
//
// A value is escaped for the quotes that it stands in, so that it is data and never query, whatever it contains.
func Fill(query string, scope core.Asked, window time.Duration) (string, error) {
	var out strings.Builder
	var in place
	for rest := query; rest != ""; {
		piece := rest[:1]
		switch name := variable.FindString(rest); {
		case name != "":
			text, err := in.put(name, scope, window)
			if err != nil {
				return "", err
			}
			out.WriteString(text)
			rest = rest[len(name):]
			continue
		case in.quote == 0 && piece == "#":
			piece, _, _ = strings.Cut(rest, "\n")
		case in.quote == 0 && strings.Contains("\"'`", piece):
			in = place{quote: piece[0], operator: strings.TrimSpace(operator.FindString(out.String()))}
		case in.quote != 0 && in.quote == piece[0]:
			in = place{}
		case in.quote != 0 && in.quote != '`' && piece == `\`:
			piece = rest[:min(2, len(rest))]
		}
		out.WriteString(piece)
		rest = rest[len(piece):]
	}
	return out.String(), nil
}

// Sample fills a query with made-up values, so that it can be checked before there are any.
func Sample(query string) (string, error) {
	target := core.Target{Name: "target", Labels: make(map[string]string)}
	for _, found := range anyLabel.FindAllStringSubmatch(query, -1) {
		target.Labels[found[1]] = "label"
	}
	scope := core.Asked{Wave: "wave", Version: "version", Previous: "previous", Targets: []core.Target{target}}
	return Fill(query, scope, 5*time.Minute)
}

// usesWindow reports whether $window is a variable of a query.
func usesWindow(query string) bool { return strings.Contains(query, "$window") }

// A place is where in a query a variable stands.
type place struct {
	quote    byte   // of the string around it; 0: none
	operator string // that compares the string with a label; empty: none
}

func (p place) matches() bool { return p.operator == "=~" || p.operator == "!~" }

// put returns what stands for a variable in this place.
func (p place) put(name string, scope core.Asked, window time.Duration) (string, error) {
	if name == "$window" {
		return duration(window), nil
	}
	text, pattern, err := value(name, scope)
	switch {
	case err != nil:
		return "", err
	case p.quote == 0:
		return "", fmt.Errorf(`%s must stand in quotes: {label=~"%s"}`, name, name)
	case pattern && p.operator != "" && !p.matches():
		return "", fmt.Errorf("%s is a regex; compare it with =~ or !~, not with %s", name, p.operator)
	case !pattern && p.matches():
		text = regexp.QuoteMeta(text)
	}
	return quoted(text, p.quote)
}

// value returns the value of a variable, and whether it is a regex.
func value(name string, scope core.Asked) (text string, pattern bool, err error) {
	label, isLabel := strings.CutPrefix(name, "$labels.")
	switch {
	case isLabel, name == "$targets":
		var all []string
		for _, t := range scope.Targets {
			text := t.Name
			if isLabel {
				text = t.Labels[label]
			}
			if text != "" {
				all = append(all, text)
			}
		}
		if len(all) == 0 { // an empty regex would match whatever lacks the label
			return "", true, fmt.Errorf("%s is empty: no target of the wave has it", name)
		}
		return alternation(all), true, nil
	case name == "$wave":
		return scope.Wave, false, nil
	case name == "$version":
		return scope.Version, false, nil
	case name == "$previous":
		return scope.Previous, false, nil
	default:
		return "", false, fmt.Errorf("%s is unknown; known: $labels.NAME, $previous, $targets, $version, $wave, $window "+
			"(a group of a regex is ${%s})", name, name[1:])
	}
}

// alternation returns a regex that matches each of the texts and nothing else, also with more regex around it.
func alternation(texts []string) string {
	texts = slices.Clone(texts)
	slices.Sort(texts)
	texts = slices.Compact(texts)
	for i, t := range texts {
		texts[i] = regexp.QuoteMeta(t)
	}
	if len(texts) == 1 {
		return texts[0]
	}
	return "(?:" + strings.Join(texts, "|") + ")"
}

// quoted escapes a text for a PromQL string. The escapes of Go are among those of PromQL, but for the quotes; and
// PromQL takes U+FFFD for a sign of broken text.
func quoted(text string, quote byte) (string, error) {
	if quote == '`' {
		if strings.Contains(text, "`") {
			return "", fmt.Errorf("%q contains a backtick; put the variable in double quotes instead of backticks", text)
		}
		return text, nil
	}
	text = strconv.Quote(text)
	text = strings.ReplaceAll(text[1:len(text)-1], "\uFFFD", `\ufffd`)
	if quote == '\'' {
		text = singleQuotes.Replace(text)
	}
	return text, nil
}

var singleQuotes = strings.NewReplacer(`\\`, `\\`, `\"`, `"`, `'`, `\'`)

// duration writes a duration as PromQL reads it, rounded up to milliseconds.
func duration(d time.Duration) string {
	return model.Duration((d + time.Millisecond - 1).Truncate(time.Millisecond)).String()
}
