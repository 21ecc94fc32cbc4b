package metric

import (
	"regexp"
	"strings"
	"testing"

	"github.com/breakwater-ci/breakwater/core"
)

func FuzzInfluxQLAnswer(f *testing.F) {
	for _, text := range []string{
		`{"results":[{"series":[{"tags":{"a":"b"},"columns":["time","x"],"values":[["t",1.5]]}]}]}`, `null`, `{"results":[{}]}`, `{"results":null}`,
		`{"results":[{"series":[{"columns":["time","x"],"values":[null]}]}]}`, `{"results":[{"error":"x"}]}`, `{"results":[null]}`,
	} {
		f.Add(text)
	}
	i := &influxdb{service: said("").service()}
	f.Fuzz(func(t *testing.T, text string) {
		samples, err := i.tables([]byte(text))
		if err != nil && samples != nil {
			t.Errorf("%q: got %v and %v", text, samples, err)
		}
	})
}

func FuzzFluxAnswer(f *testing.F) {
	const head = "#datatype,string,long,double,string\n#group,false,false,false,true\n#default,_result,,,\n,result,table,_value,host\n"
	for _, text := range []string{
		head + ",,0,1.5,a\n,,1,2,b\n", head, "", "\r\n", "#datatype\n\n", "#datatype,string,long\n,error,reference\n,oh,1\n", "#group,a\n#default\nx\n",
		"#datatype,double\n_value\n1\n", head + "#datatype,double\n,_value\n,1\n", "#datatype\n\"\"\n1\n",
	} {
		f.Add(text)
	}
	i := &influxdb{service: said("").service()}
	f.Fuzz(func(t *testing.T, text string) {
		samples, err := i.csv([]byte(text))
		if err != nil && samples != nil || len(samples) > strings.Count(text, "\n")+1 {
			t.Errorf("%q: got %v and %v", text, samples, err)
		}
	})
}

// FuzzInfluxFill reads what was filled in by the rules of each language's scanner.
func FuzzInfluxFill(f *testing.F) {
	for _, text := range []string{"a.b-1", `x' OR 1=1 --`, `\`, `/`, `\/`, `"`, "a\nb", "${f()}", "$", "{", "\r", "\x00", "it's |> x", "\xff", `\x5c`} {
		f.Add(text, "b")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		if one == "" || two == "" {
			return
		}
		v := core.Variables{Version: one, Targets: []core.Target{{Name: one}, {Name: two}}}
		if filled, err := fillInflux(`SELECT x FROM y WHERE a = '$version'`, v); err == nil {
			if got := literal(t, filled, `'`, map[byte]string{'n': "\n", '\\': `\`, '\'': `'`, '"': `"`}); got != one {
				t.Errorf("%q: %s became %q", one, filled, got)
			}
		}
		if filled, err := fillInflux(`f(a: "{$version{")`, v); err == nil {
			if got := literal(t, filled, `"`, map[byte]string{'n': "\n", 'r': "\r", 't': "\t", '\\': `\`, '"': `"`, 'x': "$"}); got != "{"+one+"{" {
				t.Errorf("%q: %s became %q", one, filled, got)
			}
			if strings.Contains(filled, "${") {
				t.Errorf("%s: would be computed", filled)
			}
		}
		for _, query := range []string{`SELECT x FROM y WHERE a =~ /^$targets$/`, `f(a: x =~ /^$targets$/)`} {
			filled, err := fillInflux(query, v)
			if err != nil {
				continue
			}
			_, text, _ := strings.Cut(filled, "/")
			inside := ""
			for text[0] != '/' { // every scanner ends a regex at the first slash that has no backslash before it
				if strings.HasPrefix(text, `\/`) {
					text = text[1:]
				}
				if text[0] == '\n' || text[0] == '\r' {
					t.Fatalf("%q ends a line", filled)
				}
				inside, text = inside+text[:1], text[1:]
			}
			if rest := strings.TrimPrefix(text, "/"); rest != "" && rest != ")" {
				t.Fatalf("%q goes on with %q", filled, rest)
			}
			re, err := regexp.Compile(inside)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{one, two, one + two, one + "x", "", "."} {
				if re.MatchString(text) != (text == one || text == two) {
					t.Errorf("%s matches %q: %t", filled, text, re.MatchString(text))
				}
			}
		}
	})
}

// literal reads the one string of a query: what the scanner of the language makes of it. Of \x it knows only what is
// written for a dollar.
func literal(t *testing.T, query, quote string, escapes map[byte]string) string {
	t.Helper()
	_, text, _ := strings.Cut(query, quote)
	var out strings.Builder
	for ; text != "" && text[:1] != quote; text = text[1:] {
		switch {
		case text[0] == '\\':
			text = text[1:]
			out.WriteString(escapes[text[0]])
			if text[0] == 'x' {
				text = text[2:]
			}
		default:
			out.WriteByte(text[0])
		}
	}
	if rest := strings.TrimPrefix(text, quote); text == "" || rest != "" && rest != ")" {
		t.Fatalf("%s goes on with %q", query, rest)
	}
	return out.String()
}
