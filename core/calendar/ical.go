package calendar

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A property is one content line of an iCalendar file: NAME;PARAM=VALUE:VALUE.
type property struct {
	name   string
	params map[string]string // the first value of each
	value  string
	line   int // where it begins in the file, from 1
}

// wrong says where a property is wrong.
func (p property) wrong(format string, args ...any) error {
	return fmt.Errorf("line %d: %s", p.line, fmt.Sprintf(format, args...))
}

// events splits an iCalendar file into its events, each with its own properties in their order. What is not an event is
// left out. A file that is cut off, or is none, is an error.
func events(text string) ([][]property, error) {
	lines, err := unfold(text)
	if err != nil {
		return nil, err
	}
	var all [][]property
	var inside []string // the components that are open, outermost first
	for _, p := range lines {
		switch {
		case p.name == "BEGIN":
			inside = append(inside, strings.ToUpper(p.value))
			if inside[0] != "VCALENDAR" {
				return nil, p.wrong("this is no iCalendar file: it does not begin with BEGIN:VCALENDAR")
			}
			if slices.Equal(inside, []string{"VCALENDAR", "VEVENT"}) {
				all = append(all, []property{p})
			}
		case len(inside) == 0:
			return nil, p.wrong("this is no iCalendar file: it does not begin with BEGIN:VCALENDAR")
		case p.name == "END":
			if last := inside[len(inside)-1]; !strings.EqualFold(p.value, last) {
				return nil, p.wrong("%q ends where %q is open", short(p.value), short(last))
			}
			inside = inside[:len(inside)-1]
		case slices.Equal(inside, []string{"VCALENDAR", "VEVENT"}):
			all[len(all)-1] = append(all[len(all)-1], p)
		}
	}
	switch {
	case len(lines) == 0:
		return nil, errors.New("there is nothing in it")
	case len(inside) > 0:
		return nil, fmt.Errorf("it is cut off: %q has no end", short(inside[len(inside)-1]))
	}
	return all, nil
}

// unfold reads the content lines of a file. A line that begins with a blank goes on with the one before.
func unfold(text string) ([]property, error) {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(text, "\ufeff"))
	var all []property
	whole, first := "", 0
	flush := func() error {
		if strings.TrimSpace(whole) == "" {
			return nil
		}
		p, err := content(whole, first)
		all = append(all, p)
		return err
	}
	var joined strings.Builder
	for i, line := range strings.Split(text, "\n") {
		if i > 0 && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")) {
			joined.WriteString(line[1:])
			continue
		}
		whole = joined.String()
		if err := flush(); err != nil {
			return nil, err
		}
		joined.Reset()
		joined.WriteString(line)
		first = i + 1
	}
	whole = joined.String()
	return all, flush()
}

// content reads one content line.
func content(text string, line int) (property, error) {
	p := property{params: make(map[string]string), line: line}
	end := strings.IndexAny(text, ";:")
	if end < 1 {
		return p, p.wrong("%q is no line of an iCalendar file", short(text))
	}
	p.name = strings.ToUpper(text[:end])
	rest := text[end:]
	for strings.HasPrefix(rest, ";") {
		name, value, found := strings.Cut(rest[1:], "=")
		if !found {
			return p, p.wrong("a parameter of %q has no value", short(p.name))
		}
		values, after, ok := parameter(value)
		if !ok {
			return p, p.wrong("a parameter of %q has no end", short(p.name))
		}
		p.params[strings.ToUpper(name)], rest = values, after
	}
	if !strings.HasPrefix(rest, ":") {
		return p, p.wrong("%q has no value", short(p.name))
	}
	p.value = rest[1:]
	return p, nil
}

// parameter reads the values of a parameter up to the next ; or : and returns the first of them.
func parameter(text string) (first, rest string, ok bool) {
	quoted := false
	for i, c := range []byte(text) {
		switch {
		case c == '"':
			quoted = !quoted
		case (c == ';' || c == ':') && !quoted:
			first = text[:i]
			if strings.HasPrefix(first, `"`) {
				first, _, _ = strings.Cut(first[1:], `"`)
			} else {
				first, _, _ = strings.Cut(first, ",")
			}
			return first, text[i:], true
		}
	}
	return "", "", false
}

// short cuts a text for a message.
func short(text string) string {
	const longest = 60
	if r := []rune(text); len(r) > longest {
		return string(r[:longest]) + "..."
	}
	return text
}
