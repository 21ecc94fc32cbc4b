package metric

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// HTTPOptions are the options of a source of type http.
type HTTPOptions struct {
	URL   core.Secret `json:"url" jsonschema_description:"Address that the queries stand behind."`
	Path  string      `json:"path,omitempty" jsonschema_description:"Where in the answer the number stands: data.0.value; * is each of a list or an object. Default: the answer is the number."`
	Label string      `json:"label,omitempty" jsonschema_description:"Label for what * stands for. Default: item."`
	Join  string      `json:"join,omitempty" jsonschema_description:"What stands between the values of a list. Default: a comma."`
	Time  string      `json:"time,omitempty" jsonschema_description:"How $from and $until are written. Default: rfc3339." jsonschema:"enum=rfc3339,enum=unix,enum=unix_ms"`
	Past  bool        `json:"past,omitempty" jsonschema_description:"The service also answers for the past: every query says $until. Default: false."`
	Reach
}

// An httpJSON gets JSON from any service. A query is the end of an address, path and parameters, below the source's url.
//
// Most services tell only what is now. Of an instant that is a window or more ago there is no data then, unless the option
// past says that the queries name the time.
type httpJSON struct {
	*service
	clock core.Clock
	path  []step
	label string
	form  form
	past  bool
}

func newHTTP(o *HTTPOptions, env Env) (core.Source, error) {
	if !slices.Contains([]string{"", "rfc3339", "unix", "unix_ms"}, o.Time) {
		return nil, fmt.Errorf("time is %q; the forms are rfc3339, unix and unix_ms", o.Time)
	}
	path, err := parsePath(o.Path)
	if err != nil {
		return nil, err
	}
	s, err := newService(o.URL, o.Reach, "basic, bearer or headers", httpError, env)
	if err != nil {
		return nil, err
	}
	return &httpJSON{
		service: s, clock: env.Clock, path: path, label: cmp.Or(o.Label, "item"), past: o.Past,
		form: form{join: cmp.Or(o.Join, ","), time: o.Time},
	}, nil
}

// httpError is what a body says of an error, where it says so as many do.
func httpError(body []byte) string {
	var said struct {
		Error   any    `json:"error"`
		Message string `json:"message"`
	}
	_ = json.Unmarshal(body, &said)
	text, _ := said.Error.(string)
	return cmp.Or(said.Message, text)
}

// Fill puts the variables into a query.
func (h *httpJSON) Fill(query string, v core.Variables) (string, error) { return h.form.fill(query, v) }

// Query asks once.
func (h *httpJSON) Query(ctx context.Context, q core.Query) ([]core.Sample, error) {
	if !h.past && gone(h.clock, q) {
		return nil, nil
	}
	path, parameters, err := parseBelow(q.Text)
	if err != nil {
		return nil, h.fail(true, err, "bad query: %s", err)
	}
	body, err := h.get(ctx, path, parameters)
	if err != nil {
		return nil, err
	}
	return h.samples(body)
}

// gone reports whether a query is about an instant that who tells only what is now cannot be asked about any more.
func gone(clock core.Clock, q core.Query) bool {
	return clock.Now().Sub(q.At) >= orDefault(q.Window, lateLook)
}

// samples reads the numbers at the end of the path. A list there is a number for each of its elements.
func (h *httpJSON) samples(body []byte) ([]core.Sample, error) {
	values := json.NewDecoder(bytes.NewReader(body))
	values.UseNumber()
	var whole any
	err := values.Decode(&whole)
	if err == nil {
		if _, more := values.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more than one value")
		}
	}
	if err != nil {
		return nil, h.fail(false, err, "it does not answer in the form that is expected of it, JSON; check url")
	}
	all := []found{{value: whole}}
	for _, s := range h.path {
		if all, err = follow(all, s); err != nil {
			return nil, h.fail(true, nil, "%s", err)
		}
	}
	var samples []core.Sample
	for _, one := range all {
		ends := []found{one}
		if _, isList := one.value.([]any); isList {
			ends, _ = follow(ends, step{each: true})
		}
		for _, end := range ends {
			v, ok, err := end.number()
			if err != nil {
				return nil, h.fail(true, nil, "%s", err)
			}
			if !ok {
				continue
			}
			sample := core.Sample{Value: v}
			if len(end.each) > 0 {
				sample.Labels = map[string]string{h.label: strings.Join(end.each, ".")}
			}
			samples = append(samples, sample)
		}
	}
	return samples, nil
}

// A step is one part of a path into JSON.
type step struct {
	name string // of a member, or the place of an element
	each bool   // * in place of a name
}

// parsePath reads a path: names and places in lists with dots between. A backslash in front of a dot, a star or itself
// makes it a character of the name.
func parsePath(text string) ([]step, error) {
	if text == "" {
		return nil, nil
	}
	var path []step
	var name strings.Builder
	plain := true // no character of the name had a backslash
	end := func() {
		path = append(path, step{name: name.String(), each: plain && name.String() == "*"})
		name.Reset()
		plain = true
	}
	for rest := text; rest != ""; rest = rest[1:] {
		switch {
		case rest[0] == '.':
			end()
		case rest[0] == '\\' && len(rest) > 1 && strings.ContainsRune(`.*\`, rune(rest[1])):
			plain, rest = false, rest[1:]
			name.WriteByte(rest[0])
		default:
			name.WriteByte(rest[0])
		}
	}
	end()
	for _, s := range path {
		if s.name == "" {
			return nil, fmt.Errorf("path %q has an empty part; it reads like data.0.value", text)
		}
	}
	return path, nil
}

// A found is a value in JSON.
type found struct {
	value any
	at    []string // the way to it
	each  []string // what each * on the way stood for
}

func (f found) to(value any, name string, each bool) found {
	next := found{value: value, at: append(slices.Clone(f.at), name), each: f.each}
	if each {
		next.each = append(slices.Clone(f.each), name)
	}
	return next
}

func (f found) String() string { return clip(cmp.Or(strings.Join(f.at, "."), "the answer")) }

// follow goes one step on from each value. Where null is or nothing, the way ends: there is no data.
func follow(from []found, s step) ([]found, error) {
	var to []found
	for _, f := range from {
		switch value := f.value.(type) {
		case nil:
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(value)) {
				if s.each || name == s.name {
					to = append(to, f.to(value[name], name, s.each))
				}
			}
		case []any:
			place, err := strconv.ParseUint(s.name, 10, 31)
			if err != nil && !s.each {
				return nil, fmt.Errorf("%s is a list; path goes on with a place in it, or with *, not with %q", f, s.name)
			}
			for i, element := range value {
				if s.each || uint64(i) == place {
					to = append(to, f.to(element, strconv.Itoa(i), s.each))
				}
			}
		default:
			return nil, fmt.Errorf("%s is no object and no list, but path goes on with %q", f, s.name)
		}
	}
	return to, nil
}

// number reads a number, or a text that is one. ok is false for null.
func (f found) number() (v float64, ok bool, err error) {
	text := ""
	switch value := f.value.(type) {
	case nil:
		return 0, false, nil
	case json.Number:
		text = value.String()
	case string:
		text = value
	case bool:
		return 0, false, fmt.Errorf("%s is %t, not a number", f, value)
	default:
		return 0, false, fmt.Errorf("%s is an object or a list of lists, not a number; path must go on", f)
	}
	if v, err = strconv.ParseFloat(strings.TrimSpace(text), 64); err != nil {
		return 0, false, fmt.Errorf("%s is %q, not a number", f, clip(text))
	}
	return v, true, nil
}

// A form is how variables stand in an address:
//
//   - $targets and $labels.NAME are their values with join between; $wave, $version and $previous are texts.
//   - $from and $until are times in the form of the option time; $window is a number of seconds.
//
// Each is escaped for the path or the parameter that it stands in.
type form struct{ join, time string }

func (f form) fill(query string, v core.Variables) (string, error) {
	return language{put: f.put}.Fill(query, v)
}

func (f form) put(v term, in place) (string, error) {
	if err := readable(v); err != nil {
		return "", err
	}
	text := ""
	switch {
	case v.span > 0:
		return strconv.FormatInt(int64((v.span+time.Second-1)/time.Second), 10), nil
	case !v.at.IsZero() && f.time == "unix":
		return strconv.FormatInt(v.at.Unix(), 10), nil
	case !v.at.IsZero() && f.time == "unix_ms":
		return strconv.FormatInt(v.at.UnixMilli(), 10), nil
	case !v.at.IsZero():
		text = v.at.UTC().Format(time.RFC3339Nano)
	case v.list:
		for _, one := range v.texts {
			if strings.Contains(one, f.join) {
				return "", fmt.Errorf("%s has the value %q, which contains %q; choose another join", v.name, one, f.join)
			}
		}
		text = strings.Join(v.texts, f.join)
	default:
		text = v.texts[0]
	}
	switch {
	case strings.Contains(in.before, "?"):
		return url.QueryEscape(text), nil
	case text == "":
		return "", fmt.Errorf("%s is empty, and would leave out a part of the path", v.name)
	default:
		return url.PathEscape(text), nil
	}
}

// parseBelow reads a query: a path that leads below the source's url and nowhere else, and parameters.
func parseBelow(query string) (path string, parameters url.Values, err error) {
	if query == "" || !strings.Contains("/?", query[:1]) {
		return "", nil, errors.New("it is the end of an address: /path?parameter=value")
	}
	u, err := url.Parse(query)
	if err != nil || u.Host != "" || strings.HasPrefix(query, "//") || strings.Contains(query, "#") {
		return "", nil, errors.New("it is no path with parameters: /path?parameter=value")
	}
	for part := range strings.SplitSeq(u.Path, "/") {
		if part == "." || part == ".." {
			return "", nil, fmt.Errorf("its path has the part %q, which leads elsewhere", part)
		}
	}
	if parameters, err = url.ParseQuery(u.RawQuery); err != nil {
		return "", nil, errors.New("its parameters cannot be read; write a percent sign as %25 and a semicolon as %3B")
	}
	return u.EscapedPath(), parameters, nil
}

func checkBelow(filled string) error {
	_, _, err := parseBelow(filled)
	return err
}
