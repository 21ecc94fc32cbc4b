package metric

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// InfluxDBOptions are the options of a source of type influxdb.
type InfluxDBOptions struct {
	URL       core.Secret `json:"url" jsonschema_description:"Address of the server, without /query and /api/v2."`
	Database  string      `json:"database,omitempty" jsonschema_description:"Database for queries in InfluxQL."`
	Retention string      `json:"retention,omitempty" jsonschema_description:"Retention policy for queries in InfluxQL. Default: that of the database."`
	Org       string      `json:"org,omitempty" jsonschema_description:"Organization for queries in Flux."`
	Token     core.Secret `json:"token,omitempty" jsonschema_description:"API token that may read; for version 1 basic does the same."`
	Reach
	Interval time.Duration `json:"interval,omitempty" jsonschema_description:"How often points are written. Default: 10s."`
}

// An influxdb asks InfluxDB. A query that begins with SELECT is InfluxQL, which every version speaks at /query; any other
// is Flux, which version 2 and Cloud speak at /api/v2/query. In Flux, now() is the instant that is asked about.
//
// A series must have one row with one number. More are a mistake in the query: which of them counts is not ours to say.
type influxdb struct {
	*service
	database  string
	retention string
	org       string
	interval  time.Duration
}

func newInfluxDB(o *InfluxDBOptions, env Env) (core.Source, error) {
	switch {
	case o.Database == "" && o.Org == "":
		return nil, errors.New("set database for InfluxQL, org for Flux, or both")
	case o.Interval < 0:
		return nil, errors.New("interval must not be below zero")
	}
	reach := o.Reach
	if o.Token != "" {
		var err error
		if reach, err = reach.with("Authorization", "Token ", o.Token); err != nil {
			return nil, err
		}
	}
	s, err := newService(o.URL, reach, "token, basic or bearer", influxError, env)
	if err != nil {
		return nil, err
	}
	return &influxdb{
		service: s, database: o.Database, retention: o.Retention, org: o.Org, interval: orDefault(o.Interval, 10*time.Second),
	}, nil
}

// influxError is what a body says of an error: version 1 has error, the others code and message.
func influxError(body []byte) string {
	var said struct{ Error, Message string }
	_ = json.Unmarshal(body, &said)
	return cmp.Or(said.Message, said.Error)
}

// Window returns the shortest window that makes sense in a query.
func (i *influxdb) Window() time.Duration { return 4 * i.interval }

// Fill puts the variables into a query.
func (i *influxdb) Fill(query string, v core.Variables) (string, error) {
	if inInfluxQL(query) && i.database == "" {
		return "", errors.New("the query is InfluxQL, for it begins with SELECT; that needs the source's option database")
	}
	if !inInfluxQL(query) && i.org == "" {
		return "", errors.New("the query is Flux, for it does not begin with SELECT; that needs the source's option org")
	}
	return fillInflux(query, v)
}

// Query asks once.
func (i *influxdb) Query(ctx context.Context, q core.Query) ([]core.Sample, error) {
	if inInfluxQL(q.Text) {
		form := url.Values{"db": {i.database}, "q": {q.Text}}
		if i.retention != "" {
			form.Set("rp", i.retention)
		}
		body, err := i.send(ctx, http.MethodPost, "/query", nil, "application/x-www-form-urlencoded", []byte(form.Encode()))
		if err != nil {
			return nil, err
		}
		return i.tables(body)
	}
	question, err := json.Marshal(map[string]any{
		"query": q.Text, "type": "flux", "now": q.At.UTC().Format(time.RFC3339Nano),
		"dialect": map[string]any{"header": true, "delimiter": ",", "annotations": []string{"datatype", "group", "default"}},
	})
	if err != nil {
		return nil, i.fail(true, err, "the query is not text")
	}
	body, err := i.send(ctx, http.MethodPost, "/api/v2/query", url.Values{"org": {i.org}}, "application/json", question)
	if err != nil {
		return nil, err
	}
	return i.csv(body)
}

// tables reads the answer to a query in InfluxQL.
func (i *influxdb) tables(body []byte) ([]core.Sample, error) {
	var a struct {
		Error   string `json:"error"`
		Results []struct {
			Error    string `json:"error"`
			Messages []struct {
				Text string `json:"text"`
			} `json:"messages"`
			Partial bool `json:"partial"`
			Series  []struct {
				Tags    map[string]string `json:"tags"`
				Columns []string          `json:"columns"`
				Values  [][]any           `json:"values"`
				Partial bool              `json:"partial"`
			} `json:"series"`
		} `json:"results"`
	}
	if err := i.read(body, &a); err != nil {
		return nil, err
	}
	switch {
	case a.Error != "":
		return nil, i.fail(false, nil, "it cannot answer: %s", clip(a.Error))
	case len(a.Results) == 0:
		return nil, i.fail(false, nil, "it does not answer like InfluxDB: there are no results; check url")
	case len(a.Results) > 1:
		return nil, i.fail(true, nil, "the query has %d statements; keep one", len(a.Results))
	}
	r := a.Results[0]
	switch {
	case r.Error != "":
		return nil, i.fail(strings.Contains(r.Error, "not found"), nil, "it cannot answer: %s", clip(r.Error))
	case len(r.Messages) > 0:
		return nil, i.fail(false, nil, "the answer may be incomplete: %s", clip(r.Messages[0].Text))
	case r.Partial:
		return nil, i.fail(false, nil, "the answer is cut off: it has more rows than the server gives")
	}
	var samples []core.Sample
	for _, s := range r.Series {
		switch {
		case s.Partial:
			return nil, i.fail(false, nil, "the answer is cut off: it has more rows than the server gives")
		case len(s.Columns) != 2 || s.Columns[0] != "time":
			return nil, i.fail(true, nil, "a series has the columns %s; select one number: SELECT sum(errors) FROM ...", clip(strings.Join(s.Columns, ", ")))
		case len(s.Values) > 1:
			return nil, i.fail(true, nil, "a series has %d rows; aggregate them to one: SELECT sum(errors) FROM ..., without GROUP BY time(...)", len(s.Values))
		case len(s.Values) == 0:
			continue
		case len(s.Values[0]) != 2:
			return nil, i.fail(false, nil, "a row does not have the columns of its series")
		}
		switch value := s.Values[0][1].(type) {
		case float64:
			samples = append(samples, core.Sample{Labels: s.Tags, Value: value})
		case nil: // no data
		default:
			return nil, i.fail(true, nil, "%s is %s, not a number", clip(s.Columns[1]), clip(fmt.Sprintf("%q", fmt.Sprint(value))))
		}
	}
	return samples, nil
}

// A fluxTable is what the rows of one or more tables of an answer have in common.
type fluxTable struct {
	kinds, groups, defaults []string // by column
	header                  []string
}

// csv reads the answer to a query in Flux: tables of annotated CSV. An error may follow rows that came before it; the
// answer is an error then.
func (i *influxdb) csv(body []byte) ([]core.Sample, error) {
	var (
		table   fluxTable
		samples []core.Sample
		seen    = make(map[string]bool)
	)
	rows := csv.NewReader(bytes.NewReader(body))
	rows.FieldsPerRecord = -1
	for {
		row, err := rows.Read()
		switch {
		case errors.Is(err, io.EOF):
			return samples, nil
		case err != nil:
			return nil, i.fail(false, err, "its table cannot be read: %s", clip(err.Error()))
		}
		switch {
		case len(row) == 1 && strings.TrimSpace(row[0]) == "":
		case strings.HasPrefix(row[0], "#"):
			if table.header != nil {
				table = fluxTable{}
			}
			if kind := table.annotation(row[0]); kind != nil {
				*kind = row
			}
		case table.kinds == nil:
			return nil, i.fail(false, nil, "it does not answer like InfluxDB: there is no #datatype; check url")
		case table.header == nil:
			table.header = row
		case len(row) != len(table.header) || len(row) != len(table.kinds):
			return nil, i.fail(false, nil, "a row has %d columns and its header %d", len(row), len(table.header))
		case table.column("table") < 0 && table.column("error") >= 0:
			return nil, i.fail(false, nil, "it stopped answering: %s", clip(table.value(row, table.column("error"))))
		default:
			key := table.value(row, table.column("result")) + "\x00" + table.value(row, table.column("table"))
			if seen[key] {
				return nil, i.fail(true, nil, "a table has more than one row; aggregate them to one: |> sum(), |> mean() or |> last()")
			}
			seen[key] = true
			sample, ok, err := table.sample(row)
			if err != nil {
				return nil, i.fail(true, nil, "%s", err)
			}
			if ok {
				samples = append(samples, sample)
			}
		}
	}
}

// annotation returns where a row of annotations goes; nil: nowhere.
func (t *fluxTable) annotation(name string) *[]string {
	switch name {
	case "#datatype":
		return &t.kinds
	case "#group":
		return &t.groups
	case "#default":
		return &t.defaults
	default:
		return nil
	}
}

func (t *fluxTable) column(name string) int { return slices.Index(t.header, name) }

// value is what a row has in a column; the default of the column, if it has nothing there.
func (t *fluxTable) value(row []string, column int) string {
	switch {
	case column < 0:
		return ""
	case row[column] == "" && column < len(t.defaults):
		return t.defaults[column]
	default:
		return row[column]
	}
}

// sample reads a row. Its labels are the texts of the group key.
func (t *fluxTable) sample(row []string) (s core.Sample, ok bool, err error) {
	at := t.column("_value")
	if at < 0 {
		return s, false, fmt.Errorf("a table has no column _value, but %s", clip(strings.Join(t.header[1:], ", ")))
	}
	switch kind := t.kinds[at]; kind {
	case "double", "long", "unsignedLong":
	default:
		return s, false, fmt.Errorf("_value is a %s, not a number", clip(kind))
	}
	text := t.value(row, at)
	if text == "" {
		return s, false, nil
	}
	if s.Value, err = strconv.ParseFloat(text, 64); err != nil {
		return s, false, fmt.Errorf("_value is %q, not a number", clip(text))
	}
	s.Labels = make(map[string]string)
	for i, name := range t.header {
		if i < len(t.groups) && t.groups[i] == "true" && t.kinds[i] == "string" && name != "result" {
			s.Labels[name] = t.value(row, i)
		}
	}
	return s, true, nil
}

var influxSelect = regexp.MustCompile(`(?is)^\s*((--[^\n]*\n|/\*.*?\*/)\s*)*select\b`)

// inInfluxQL reports in which of the two languages a query is.
func inInfluxQL(query string) bool { return influxSelect.MatchString(query) }

func fillInflux(query string, v core.Variables) (string, error) {
	if inInfluxQL(query) {
		return influxQL.Fill(query, v)
	}
	if found := fluxDollar.FindString(query); found != "" {
		return "", fmt.Errorf("%s cannot be told from a part of a string that Flux computes; join strings with + instead", found)
	}
	return flux.Fill(query, v)
}

// fluxDollar finds what would make Flux compute a part of a string, with or without the text of a variable.
var fluxDollar = regexp.MustCompile(`\$[{$]`)

// influxQL is the language of every version:
//
//   - $targets and $labels.NAME are a regex that matches their values; they stand between slashes: =~ /^$targets$/.
//   - $wave, $version and $previous stand in single quotes, or between slashes and match literally.
//   - $from and $until are times, in single quotes; without quotes they bring their own. $window is a duration: 5m.
//
// No text with a carriage return can stand in quotes: the language has no way to write one.
var influxQL = language{
	quotes: `'"`, comment: "--", block: true, put: putInfluxQL,
	regex: regexp.MustCompile(`(?i)([=!]~|[(,]|\b(select|from|by|fill))\s*$`),
}

var influxStrings = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`)

func putInfluxQL(v term, in place) (string, error) {
	if err := readable(v); err != nil {
		return "", err
	}
	switch {
	case v.span > 0:
		return briefly(v.span), nil
	case !v.at.IsZero() && in.quote == 0:
		return "'" + v.at.UTC().Format(time.RFC3339Nano) + "'", nil
	case !v.at.IsZero():
		return v.at.UTC().Format(time.RFC3339Nano), nil
	case in.quote == '/':
		return slashed(v), nil
	case v.list:
		return "", fmt.Errorf("%s is a regex; it stands between slashes: host =~ /^%s$/", v.name, v.name)
	case in.quote != '\'':
		return "", fmt.Errorf("%s must stand in single quotes", v.name)
	case strings.Contains(v.texts[0], "\r"):
		return "", fmt.Errorf("%s contains a carriage return, which InfluxQL cannot hold", v.name)
	default:
		return influxStrings.Replace(v.texts[0]), nil
	}
}

// flux is the language of version 2 and Cloud:
//
//   - $targets and $labels.NAME are strings with commas between, contains(value: r.host, set: [$targets]); or, between
//     slashes, a regex that matches their values: r.host =~ /^$targets$/.
//   - $wave, $version and $previous are strings; in double quotes a part of one, between slashes a regex.
//   - $from and $until are times, $window is a duration: range(start: $from, stop: $until).
var flux = language{
	quotes: `"`, comment: "//", put: putFlux,
	regex: regexp.MustCompile(`([=!]~|[(\[,:]|=>|[^=!<>]=|\b(return|and|or|not|then|else|if))\s*$`),
}

var (
	fluxStrings = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, `$`, `\x24`)
	slashes     = strings.NewReplacer(`\\`, `[\\]`, `/`, `\/`, "\n", `\n`, "\r", `\r`)
)

func putFlux(v term, in place) (string, error) {
	if err := readable(v); err != nil {
		return "", err
	}
	switch {
	case v.span > 0:
		return briefly(v.span), nil
	case !v.at.IsZero():
		return v.at.UTC().Format(time.RFC3339Nano), nil
	case in.quote == '/':
		return slashed(v), nil
	case in.quote == 0:
		return quoted(v, `"`, fluxStrings, ", "), nil
	case v.list:
		return "", fmt.Errorf("%s is a list; it stands without quotes: contains(value: r.host, set: [%s])", v.name, v.name)
	default:
		return fluxStrings.Replace(v.texts[0]), nil
	}
}

// slashed writes a regex that matches the texts and can stand between slashes. A backslash becomes a class: in front of
// the last slash it would else escape that one.
func slashed(v term) string { return slashes.Replace(alternation(v.texts)) }
