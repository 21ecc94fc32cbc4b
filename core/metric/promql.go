package metric

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// promQL is the language of Prometheus:
//
//   - $targets and $labels.NAME are a regex that matches their values and nothing else. They must stand in quotes and be
//     matched with =~ or !~.
//   - $wave, $version and $previous must stand in quotes; next to =~ and !~ they match literally.
//   - $window is a duration. There is no $from: a query is asked at an instant, and reaches back by [$window].
var promQL = language{quotes: "\"'`", raw: "`", comment: "#", put: putPromQL}

var operator = regexp.MustCompile(`(=~|!~|==|!=|=)\s*$`)

func putPromQL(v term, in place) (string, error) {
	compared := ""
	if in.quote != 0 {
		compared = strings.TrimSpace(operator.FindString(in.before))
	}
	matched := compared == "=~" || compared == "!~"
	switch {
	case v.span > 0:
		return promDuration(v.span), nil
	case !v.at.IsZero():
		return "", fmt.Errorf("%s has no place in PromQL: a query is asked at an instant, and [$window] reaches back from there", v.name)
	case in.quote == 0:
		return "", fmt.Errorf(`%s must stand in quotes: {label=~"%s"}`, v.name, v.name)
	case v.list && compared != "" && !matched:
		return "", fmt.Errorf("%s is a regex; compare it with =~ or !~, not with %s", v.name, compared)
	case v.list:
		return promString(alternation(v.texts), in.quote)
	case matched:
		return promString(regexp.QuoteMeta(v.texts[0]), in.quote)
	default:
		return promString(v.texts[0], in.quote)
	}
}

// promString escapes a text for a PromQL string. The escapes of Go are among those of PromQL, but for the quotes; and
// PromQL takes U+FFFD for a sign of broken text.
func promString(text string, quote byte) (string, error) {
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

// promDuration writes a duration as PromQL reads it, rounded up to milliseconds.
func promDuration(d time.Duration) string {
	return model.Duration((d + time.Millisecond - 1).Truncate(time.Millisecond)).String()
}

// checkPromQL finds mistakes in a query in PromQL. The error says where in the query.
func checkPromQL(query string) error {
	_, err := parseQuery(query)
	return err
}

// parseQuery parses a query that has one value for each series at one instant.
func parseQuery(query string) (parser.Expr, error) {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if all, ok := errors.AsType[parser.ParseErrors](err); ok && len(all) > 0 {
		return nil, fmt.Errorf("%s: %w", position(query, int(all[0].PositionRange.Start)), all[0].Err)
	} else if err != nil {
		return nil, err
	}
	if kind := expr.Type(); kind != parser.ValueTypeVector && kind != parser.ValueTypeScalar {
		return nil, wrongType(string(kind))
	}
	return expr, nil
}

// errHistogram says that a sample is no number.
var errHistogram = errors.New("the answer is a native histogram; use a query for a number: histogram_quantile(...)")

func wrongType(kind string) error {
	return fmt.Errorf("the answer is a %s; use a query that has one value at one instant, as rate(...) has", kind)
}

// position says for people where in a query a byte is; lines and columns count from 1.
func position(query string, offset int) string {
	before := query[:min(max(offset, 0), len(query))]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	if line == 1 {
		return fmt.Sprintf("column %d", column)
	}
	return fmt.Sprintf("line %d, column %d", line, column)
}

// partly turns warnings into an error: an answer with warnings may lack what matters. Older servers send remarks on
// style among the warnings; those change no value.
func partly(warnings []string) error {
	for _, w := range warnings {
		if !strings.HasPrefix(w, "PromQL info: ") {
			return fmt.Errorf("the answer may be incomplete: %s", clip(w))
		}
	}
	return nil
}

// clip keeps a message of somebody else to one short line.
func clip(message string) string {
	const most = 300
	message = strings.Join(strings.Fields(message), " ")
	if len(message) <= most {
		return message
	}
	return strings.ToValidUTF8(message[:most], "") + "..."
}
