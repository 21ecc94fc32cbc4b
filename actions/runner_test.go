package actions

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// A command is what the runner found in a log.
type command struct {
	name       string
	properties map[string]string
	data       string
}

// known are the commands that the runner registers.
var known = []string{
	"add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group", "notice", "remove-matcher",
	"save-state", "set-env", "set-output", "stop-commands", "warning",
}

var lineEnd = regexp.MustCompile(`\r\n|\r|\n`)

// runner reads a log as GitHub's runner does: it returns the commands, and the lines that are shown as they are.
func runner(log string) (commands []command, shown []string) {
	lines := lineEnd.Split(log, -1)
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	for _, line := range lines {
		if c, ok := newForm(line); ok {
			commands = append(commands, c)
		} else if c, ok := oldForm(line); ok {
			commands = append(commands, c)
		} else {
			shown = append(shown, line)
		}
	}
	return commands, shown
}

// newForm is ::name key=value,key=value::data, at the start of a line.
func newForm(line string) (command, bool) {
	rest, ok := strings.CutPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "::")
	if !ok {
		return command{}, false
	}
	info, data, ok := strings.Cut(rest, "::")
	if !ok {
		return command{}, false
	}
	return parseCommand(info, data, ",", strings.NewReplacer("%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%"))
}

// oldForm is ##[name key=value;key=value]data, anywhere in a line.
func oldForm(line string) (command, bool) {
	_, rest, ok := strings.Cut(line, "##[")
	if !ok {
		return command{}, false
	}
	info, data, ok := strings.Cut(rest, "]")
	if !ok {
		return command{}, false
	}
	return parseCommand(info, data, ";", strings.NewReplacer("%3B", ";", "%0D", "\r", "%0A", "\n", "%5D", "]", "%25", "%"))
}

func parseCommand(info, data, separator string, unescape *strings.Replacer) (command, bool) {
	name, properties, _ := strings.Cut(info, " ")
	if !slices.Contains(known, strings.ToLower(name)) {
		return command{}, false
	}
	c := command{name: name, properties: make(map[string]string), data: unescape.Replace(data)}
	for pair := range strings.SplitSeq(properties, separator) {
		if key, value, ok := strings.Cut(pair, "="); ok && key != "" {
			c.properties[key] = unescape.Replace(value)
		}
	}
	return c, true
}

// pairs reads a file of outputs as GitHub's runner does: NAME=VALUE, or NAME<<DELIMITER up to a line that is it.
func pairs(file string) (map[string]string, error) {
	lines := strings.SplitAfter(file, "\n")
	trim := func(line string) string { return strings.TrimSuffix(line, "\n") }
	values := make(map[string]string)
	for i := 0; i < len(lines); i++ {
		line := trim(lines[i])
		if line == "" {
			continue
		}
		equals, heredoc := strings.Index(line, "="), strings.Index(line, "<<")
		switch {
		case equals >= 0 && (heredoc < 0 || equals < heredoc):
			values[line[:equals]] = line[equals+1:]
		case heredoc > 0:
			var value strings.Builder
			end := line[heredoc+2:]
			for i++; i < len(lines) && trim(lines[i]) != end; i++ {
				value.WriteString(lines[i])
			}
			if i == len(lines) {
				return nil, fmt.Errorf("no line %q ends the value of %s", end, line[:heredoc])
			}
			values[line[:heredoc]] = strings.TrimSuffix(value.String(), "\n")
		default:
			return nil, fmt.Errorf("line %d is %q: neither form", i+1, line)
		}
	}
	return values, nil
}
