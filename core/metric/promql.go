package metric

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/prometheus/promql/parser"
)

// checkQuery finds mistakes in a query in PromQL. The error says where in the query.
func checkQuery(query string) error {
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
