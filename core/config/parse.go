package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// parse reads text as one YAML document and returns its value, or nil after a mistake. want says what should be in it.
func (d *decoder) parse(text []byte, want string) *yaml.Node {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !d.readable(text) {
		return nil
	}
	if json.Valid(text) {
		text = jsonEscape.ReplaceAllFunc(text, yamlEscape)
	}
	from := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	switch err := from.Decode(&document); {
	case errors.Is(err, io.EOF) || err == nil && empty(&document):
		d.mistakeAt(1, 1, want, "there is nothing here")
		return nil
	case err != nil:
		d.malformed(err)
		return nil
	}
	switch err := from.Decode(&second); {
	case err == nil:
		d.mistake(&second, "one document in a file: remove it, and the --- above it", "a second YAML document begins here")
		return nil
	case !errors.Is(err, io.EOF):
		d.malformed(err)
		return nil
	}
	root := document.Content[0]
	if !d.resolve(root) {
		return nil
	}
	return root
}

func empty(document *yaml.Node) bool {
	return len(document.Content) == 0 || isNull(document.Content[0])
}

// jsonEscape finds the escapes of JSON, so that those which YAML lacks can be put in its terms: a slash, and a
// character in two halves.
var jsonEscape = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\.`)

func yamlEscape(escape []byte) []byte {
	switch {
	case string(escape) == `\/`:
		return []byte("/")
	case len(escape) > 2:
		high, _ := strconv.ParseUint(string(escape[2:6]), 16, 16)
		low, _ := strconv.ParseUint(string(escape[8:12]), 16, 16)
		return fmt.Appendf(nil, `\U%08X`, utf16.DecodeRune(rune(high), rune(low)))
	default:
		return escape
	}
}

// readable checks that text consists of characters that YAML allows.
func (d *decoder) readable(text []byte) bool {
	const want = "a text file in UTF-8 without control characters"
	for line, column := 1, 1; len(text) > 0; column++ {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1:
			d.mistakeAt(line, column, want, "byte 0x%02x is not UTF-8", text[0])
			return false
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r >= 0x7f && r < 0xa0, r == 0xfeff, r == 0xfffe, r == 0xffff,
			r == '\u2028', r == '\u2029':
			d.mistakeAt(line, column, want, "character U+%04X is not allowed here", r)
			return false
		case r == '\n', r == '\r' && !bytes.HasPrefix(text[size:], []byte("\n")):
			line, column = line+1, 0
		}
		text = text[size:]
	}
	return true
}

var (
	lineInError = regexp.MustCompile(`^line (\d+): `)
	// openInError are the errors for which the parser names the line before.
	openInError   = regexp.MustCompile(`^did not find expected (key|node content|'-' indicator|',' or '[]}]'|<)`)
	anchorInError = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// malformed turns an error of the YAML parser into a mistake. The parser names the line at most, so the column is that
// of the first character there.
func (d *decoder) malformed(err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line, want := 1, "well-formed YAML; look at this line and the one above for indentation, a colon, a bracket or a quote"
	if m := lineInError.FindStringSubmatch(message); m != nil {
		line, _ = strconv.Atoi(m[1])
		message = message[len(m[0]):]
		if openInError.MatchString(message) {
			line++
		}
	} else if m := anchorInError.FindStringSubmatch(message); m != nil {
		line, column := d.alias(m[1])
		d.mistakeAt(line, column, fmt.Sprintf("an anchor &%s before it", m[1]), "there is no anchor for the alias *%s", m[1])
		return
	}
	line = max(1, min(line, len(d.lines)))
	source := d.lines[line-1]
	rest := strings.TrimLeft(source, " \t")
	indent := source[:len(source)-len(rest)]
	if strings.Contains(indent, "\t") ||
		strings.Contains(message, "cannot start any token") && strings.Contains(source, "\t") {
		want = "spaces instead of tabs"
	}
	d.mistakeAt(line, len(indent)+1, want, "this is not YAML: %s", message)
}

// alias returns the first place where an alias of this name stands.
func (d *decoder) alias(name string) (line, column int) {
	alias := regexp.MustCompile(`(?:^|[\s\[{,])(\*)` + regexp.QuoteMeta(name))
	for i, line := range d.lines {
		if at := alias.FindStringSubmatchIndex(line); at != nil {
			return i + 1, utf8.RuneCountInString(line[:at[2]]) + 1
		}
	}
	return 1, 1
}

// most bounds what the aliases of one file may stand for, so that a small file cannot become a large plan.
const most = 10_000

// resolve puts in place of every alias what it stands for.
func (d *decoder) resolve(root *yaml.Node) bool {
	budget := most
	var walk func(n *yaml.Node, copied bool) bool
	walk = func(n *yaml.Node, copied bool) bool {
		if copied {
			budget--
		}
		if budget < 0 {
			return false
		}
		if n.Style&yaml.TaggedStyle != 0 {
			d.mistake(n, "the value alone", "YAML tags such as %s are not supported", n.Tag)
		}
		for i, child := range n.Content {
			inside := copied
			if child.Kind == yaml.AliasNode {
				n.Content[i], inside = child.Alias, true
			}
			if !walk(n.Content[i], inside) {
				if child.Kind == yaml.AliasNode && !copied {
					d.mistake(child, fmt.Sprintf("aliases that stand for at most %d values, and not for themselves", most),
						"up to here, the aliases make this file too large")
				}
				return false
			}
		}
		return true
	}
	return walk(root, false)
}
