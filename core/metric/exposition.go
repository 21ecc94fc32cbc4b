package metric

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// accept asks for the formats that parseExposition reads.
const accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"

// parseExposition reads what a target says of itself, in Prometheus' text format or in OpenMetrics. Every series gets
// the labels own; where the target uses such a name itself, its label becomes exported_NAME. Times in the text are
// ignored: a sample is of the scrape that found it. More than limit samples are an error.
func parseExposition(body []byte, contentType string, own []labels.Label, limit int) ([]point, error) {
	p, err := parserFor(body, contentType)
	if err != nil {
		return nil, err
	}
	var points []point
	for {
		switch entry, err := p.Next(); {
		case errors.Is(err, io.EOF):
			return points, nil
		case err != nil:
			return nil, fmt.Errorf("its metrics cannot be parsed: %s", clip(err.Error()))
		case entry != textparse.EntrySeries:
			continue
		}
		if len(points) == limit {
			return nil, fmt.Errorf("it has more than %d series", limit)
		}
		_, _, v := p.Series()
		var l labels.Labels
		p.Labels(&l)
		if name, twice := l.HasDuplicateLabelNames(); twice {
			return nil, fmt.Errorf("its metrics cannot be parsed: label %q stands twice in one series", clip(name))
		}
		points = append(points, point{withOwn(l, own), v})
	}
}

func parserFor(body []byte, contentType string) (textparse.Parser, error) {
	if bytes.IndexByte(body, 0) >= 0 { // the parser takes it for the end
		return nil, errors.New("its metrics cannot be parsed: they hold a NUL byte")
	}
	kind := "text/plain"
	var params map[string]string
	if contentType != "" {
		var err error
		if kind, params, err = mime.ParseMediaType(contentType); err != nil {
			return nil, fmt.Errorf("its content type %q cannot be parsed", clip(contentType))
		}
	}
	switch kind {
	case "text/plain":
		return textparse.NewPromParser(body, labels.NewSymbolTable(), false), nil
	case "application/openmetrics-text":
		if v := params["version"]; v == "" || v == "0.0.1" || v == "1.0.0" {
			return textparse.NewOpenMetricsParser(body, labels.NewSymbolTable()), nil
		}
	}
	return nil, fmt.Errorf("it answers with %s, not with metrics as text", clip(contentType))
}

// withOwn adds our labels to those of a target.
func withOwn(l labels.Labels, own []labels.Label) labels.Labels {
	b := labels.NewBuilder(l)
	for _, mine := range own {
		if theirs := l.Get(mine.Name); theirs != "" {
			free := "exported_" + mine.Name
			for b.Get(free) != "" {
				free = "exported_" + free
			}
			b.Set(free, theirs)
		}
		b.Set(mine.Name, mine.Value)
	}
	return b.Labels()
}
