package metric

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/breakwater-ci/breakwater/core"
)

// NewrelicOptions are the options of a source of type newrelic.
type NewrelicOptions struct {
	Region  string      `json:"region,omitempty" jsonschema_description:"Region of the account. Default: us." jsonschema:"enum=us,enum=eu"`
	URL     core.Secret `json:"url,omitempty" jsonschema_description:"Address of NerdGraph, in place of region, without /graphql."`
	Account int         `json:"account" jsonschema_description:"Id of the account."`
	APIKey  core.Secret `json:"api_key" jsonschema_description:"User key."`
	Reach
}

// A newrelic asks New Relic in NRQL, through NerdGraph.
//
// It adds the window to a query, as SINCE and UNTIL, and LIMIT MAX to one with FACET and without a limit, for of groups
// NRQL shows ten. A row must have one number: of what is selected, null and values with parts included. A row whose
// number is null has no data. The number of nothing is what NRQL says it is: count(*) is 0, average(x) is null.
type newrelic struct {
	language
	*service
	account int
}

var newrelicRegions = map[string]core.Secret{"": "https://api.newrelic.com", "us": "https://api.newrelic.com", "eu": "https://api.eu.newrelic.com"}

func newNewrelic(o *NewrelicOptions, env Env) (core.Source, error) {
	address, known := newrelicRegions[o.Region]
	switch {
	case o.APIKey == "":
		return nil, errors.New("api_key must be set")
	case o.Account <= 0:
		return nil, errors.New("account must be the id of an account")
	case o.Region != "" && o.URL != "":
		return nil, errors.New("region and url are both set; keep one")
	case !known:
		return nil, fmt.Errorf("region is %q; the regions are us and eu", o.Region)
	}
	reach := o.Reach
	reach.Headers = map[string]core.Secret{"API-Key": o.APIKey}
	for name, value := range o.Headers {
		reach.Headers[name] = value
	}
	s, err := newService(cmp.Or(o.URL, address), reach, "api_key", newrelicErrors, env)
	if err != nil {
		return nil, err
	}
	return &newrelic{language: nrql, service: s, account: o.Account}, nil
}

// Window returns the shortest window that makes sense: agents send what they saw at least once a minute.
func (*newrelic) Window() time.Duration { return time.Minute }

// Spans says that an answer always covers the window.
func (*newrelic) Spans() bool { return true }

// nrql is the language of New Relic:
//
//   - $targets and $labels.NAME are a list of strings, which stands only in IN ($targets).
//   - $wave, $version and $previous are a string, or a part of one that stands in single quotes. They do not stand next to
//     LIKE and RLIKE, which would read a pattern.
//   - $window is a span of seconds. There are no $from and $until: the source adds the window.
var nrql = language{quotes: "'`\"", raw: "`", comment: "--", put: putNRQL}

var (
	nrqlList    = regexp.MustCompile(`(?i)\bIN\s*\(([^()]*,)?\s*$`)
	nrqlNext    = regexp.MustCompile(`^\s*[,)]`)
	nrqlPattern = regexp.MustCompile(`(?i)LIKE\s*(r\s*)?$`)
)

func putNRQL(v term, in place) (string, error) {
	switch {
	case v.span > 0:
		return strconv.FormatInt(int64((v.span+time.Second-1)/time.Second), 10) + " seconds", nil
	case !v.at.IsZero():
		return "", fmt.Errorf("%s has no place in NRQL here: the source adds SINCE and UNTIL itself", v.name)
	case v.list && (in.quote != 0 || !nrqlList.MatchString(in.before) || !nrqlNext.MatchString(in.after)):
		return "", fmt.Errorf("%s is a list of strings; it stands in IN (%s), without quotes", v.name, v.name)
	case nrqlPattern.MatchString(in.before):
		return "", fmt.Errorf("%s cannot stand in a pattern; compare it with = or IN", v.name)
	case in.quote != 0 && in.quote != '\'':
		return "", fmt.Errorf("%s stands in single quotes, or in none", v.name)
	}
	all := make([]string, len(v.texts))
	for i, text := range v.texts {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return "", fmt.Errorf("%s is %q, which cannot stand in a string of NRQL", v.name, text)
		}
		all[i] = nrqlQuotes.Replace(text)
		if in.quote == 0 {
			all[i] = "'" + all[i] + "'"
		}
	}
	return strings.Join(all, ", "), nil
}

var nrqlQuotes = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// A clause is a word of NRQL outside of quotes.
type clause struct {
	word  string // in capitals
	depth int    // of the parentheses around it
}

// nrqlWord is a string, a comment, a word, or any other character.
var nrqlWord = regexp.MustCompile("(?s)'(?:[^'\\\\]|\\\\.)*'|\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`|--[^\n]*|[\\pL_][\\pL\\pN_.]*|//|/\\*|.")

// clauses returns the words of a query.
func clauses(query string) ([]clause, error) {
	var all []clause
	depth := 0
	for _, piece := range nrqlWord.FindAllString(query, -1) {
		switch first, _ := utf8.DecodeRuneInString(piece); {
		case piece == "//" || piece == "/*":
			return nil, fmt.Errorf("a comment begins with %s; only -- is understood here", piece)
		case strings.ContainsAny(piece, "'\"`") && len(piece) == 1:
			return nil, fmt.Errorf("a string begins with %s and does not end", piece)
		case piece == "(":
			depth++
		case piece == ")":
			depth--
		case first == '_' || unicode.IsLetter(first):
			all = append(all, clause{word: strings.ToUpper(piece), depth: depth})
		}
	}
	return all, nil
}

// checkNRQL finds a query that does not have one answer for the window.
func checkNRQL(query string) error {
	all, err := clauses(query)
	if err != nil {
		return err
	}
	for i, c := range all {
		switch {
		case c.word == "SINCE", c.word == "UNTIL":
			return fmt.Errorf("the query says %s; leave it out, the source adds the window", c.word)
		case c.word == "COMPARE" && i+1 < len(all) && all[i+1].word == "WITH":
			return errors.New("the query says COMPARE WITH; leave it out")
		case c.word == "TIMESERIES" && c.depth == 0:
			return errors.New("the query says TIMESERIES; leave it out, a row must have one number for the window")
		}
	}
	for _, word := range []string{"SELECT", "FROM"} {
		if !slices.Contains(all, clause{word: word}) {
			return fmt.Errorf("the query has no %s", word)
		}
	}
	return nil
}

const nerdGraph = `query($account: Int!, $nrql: Nrql!, $timeout: Seconds) { actor { account(id: $account) { ` +
	`nrql(query: $nrql, timeout: $timeout) { results metadata { facets } } } } }`

// Query asks for the window before an instant.
func (n *newrelic) Query(ctx context.Context, q core.Query) ([]core.Sample, error) {
	if err := checkNRQL(q.Text); err != nil {
		return nil, n.fail(true, nil, "%s", err)
	}
	all, _ := clauses(q.Text)
	limit := ""
	if slices.Contains(all, clause{word: "FACET"}) && !slices.Contains(all, clause{word: "LIMIT"}) {
		limit = "LIMIT MAX "
	}
	body, err := json.Marshal(map[string]any{"query": nerdGraph, "variables": map[string]any{
		"account": n.account,
		"timeout": min(max(int(n.timeout/time.Second)-1, 5), 120), // the bounds are NerdGraph's
		"nrql":    fmt.Sprintf("%s\n%sSINCE %d UNTIL %d", q.Text, limit, q.At.Add(-q.Window).UnixMilli(), q.At.UnixMilli()),
	}})
	if err != nil {
		return nil, n.fail(true, err, "the query cannot be written as JSON")
	}
	answer, err := n.send(ctx, http.MethodPost, "/graphql", nil, "application/json", body)
	if err != nil {
		return nil, err
	}
	return n.samples(answer)
}

// A graphError is an error in an answer of NerdGraph.
type graphError struct {
	Message    string `json:"message"`
	Extensions struct {
		Class string `json:"errorClass"`
		Code  string `json:"errorCode"`
	} `json:"extensions"`
}

// permanent reports whether the query is to blame. The message is how NRQL says so.
func (e graphError) permanent() bool {
	return strings.Contains(e.Message, "NRQL Syntax Error") || e.Extensions.Code == "NRDB:1102004" || strings.Contains(e.Message, "not authorized")
}

// newrelicErrors is what an answer says of errors.
func newrelicErrors(body []byte) string {
	var said struct {
		Errors []graphError `json:"errors"`
	}
	_ = json.Unmarshal(body, &said)
	if len(said.Errors) == 0 {
		return ""
	}
	return cmp.Or(said.Errors[0].Message, said.Errors[0].Extensions.Class)
}

// samples reads the rows of an answer.
func (n *newrelic) samples(answer []byte) ([]core.Sample, error) {
	var a struct {
		Errors []graphError `json:"errors"`
		Data   struct {
			Actor struct {
				Account *struct {
					NRQL *struct {
						Results  *[]map[string]json.RawMessage `json:"results"`
						Metadata struct {
							Facets []string `json:"facets"`
						} `json:"metadata"`
					} `json:"nrql"`
				} `json:"account"`
			} `json:"actor"`
		} `json:"data"`
	}
	if err := n.read(answer, &a); err != nil {
		return nil, err
	}
	if len(a.Errors) > 0 {
		return nil, n.fail(slices.ContainsFunc(a.Errors, graphError.permanent), nil, "it answers with an error: %s", clip(newrelicErrors(answer)))
	}
	account := a.Data.Actor.Account
	if account == nil || account.NRQL == nil || account.NRQL.Results == nil {
		return nil, n.fail(false, nil, "it answers without results; check account")
	}
	facets := account.NRQL.Metadata.Facets
	var samples []core.Sample
	for _, row := range *account.NRQL.Results {
		var found numbers
		for name, value := range row {
			if name != "facet" && !slices.Contains(facets, name) {
				found.add(name, value)
			}
		}
		switch slices.Sort(found.names); {
		case len(found.names) == 0:
			return nil, n.fail(true, nil, "a row has no number; select one, as count(*)")
		case len(found.names) > 1:
			return nil, n.fail(true, nil, "a row has %d numbers (%s); select one", len(found.names), clip(strings.Join(found.names, ", ")))
		case found.known:
			samples = append(samples, core.Sample{Labels: facetLabels(facets, row), Value: found.value})
		}
	}
	return samples, nil
}

// numbers are the numbers that a row has, null included.
type numbers struct {
	names []string
	value float64 // of the last that is known
	known bool
}

// add looks for numbers in a value. One with parts is a percentile, or a metric.
func (n *numbers) add(name string, value json.RawMessage) {
	var number float64
	var parts map[string]json.RawMessage
	switch value = bytes.TrimSpace(value); {
	case string(value) == "null":
		n.names = append(n.names, name)
	case json.Unmarshal(value, &number) == nil:
		n.names = append(n.names, name)
		n.value, n.known = number, true
	case json.Unmarshal(value, &parts) == nil:
		for part, value := range parts {
			n.add(name+"."+part, value)
		}
	}
}

// facetLabels are the groups of a row, by the names of what they are grouped by.
func facetLabels(facets []string, row map[string]json.RawMessage) map[string]string {
	labels := make(map[string]string, len(facets))
	var several []json.RawMessage
	if json.Unmarshal(row["facet"], &several) != nil {
		several = []json.RawMessage{row["facet"]}
	}
	for i, name := range facets {
		if i < len(several) {
			labels[name] = plain(several[i])
		}
	}
	return labels
}

// plain is a value as text.
func plain(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}
