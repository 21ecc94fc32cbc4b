package metric

import (
	"net/http"
	"testing"
	"time"
)

// FuzzPrometheusAnswer reads what is no answer: it must become an error, and no more samples than were asked for.
func FuzzPrometheusAnswer(f *testing.F) {
	for _, text := range []string{
		`{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"NaN"]}]}}`,
		`{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`,
		`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2.5,"+Inf"]]}]}}`,
		`{"status":"success","data":{"groups":[{"interval":15,"rules":[{"type":"alerting","name":"x","alerts":[{"state":"firing"}]}]}]}}`,
		`{"status":"error","error":"x"}`, `[]`, `{"data":null}`, "",
	} {
		f.Add(text)
	}
	p := &prometheus{host: "p"}
	f.Fuzz(func(t *testing.T, text string) {
		data, err := p.read(&http.Response{StatusCode: 200}, []byte(text))
		if err != nil {
			return
		}
		_, _ = p.samples(data)
		if points, err := p.points(data, time.Unix(1, 0), time.Second, 3); err == nil && len(points) != 3 {
			t.Errorf("%d points, want 3", len(points))
		}
	})
}
