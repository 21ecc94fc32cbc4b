package metrictest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// API serves queries in the form of Prometheus' HTTP API, at one instant and at many, answered by a source that
// understands PromQL.
func API(source core.Source) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/query_range", func(w http.ResponseWriter, r *http.Request) {
		ranged(w, r, source)
	})
	mux.HandleFunc("POST /api/v1/query", func(w http.ResponseWriter, r *http.Request) {
		seconds, err := strconv.ParseFloat(r.FormValue("time"), 64)
		if err != nil {
			reply(w, http.StatusBadRequest, map[string]any{"status": "error", "errorType": "bad_data", "error": err.Error()})
			return
		}
		samples, err := source.Query(r.Context(), core.Query{Text: r.FormValue("query"), At: time.UnixMilli(int64(seconds*1e3 + 0.5))})
		if err != nil {
			refuse(w, err)
			return
		}
		result := make([]map[string]any, len(samples))
		for i, s := range samples {
			value := [2]any{seconds, fmt.Sprint(s.Value)}
			result[i] = map[string]any{"metric": s.Labels, "value": value}
		}
		reply(w, http.StatusOK, map[string]any{
			"status": "success", "data": map[string]any{"resultType": "vector", "result": result},
		})
	})
	return mux
}

// ranged answers at every step between start and end. Like the real server it takes at most 11,000 steps.
func ranged(w http.ResponseWriter, r *http.Request, source core.Source) {
	var bounds [3]int64 // start, end and step in milliseconds
	for i, name := range []string{"start", "end", "step"} {
		seconds, err := strconv.ParseFloat(r.FormValue(name), 64)
		if err != nil {
			reply(w, http.StatusBadRequest, map[string]any{"status": "error", "errorType": "bad_data", "error": err.Error()})
			return
		}
		bounds[i] = int64(seconds*1e3 + 0.5)
	}
	start, end, step := bounds[0], bounds[1], bounds[2]
	if step <= 0 || (end-start)/step > 11_000 {
		reply(w, http.StatusBadRequest, map[string]any{"status": "error", "errorType": "bad_data", "error": "too many points"})
		return
	}
	series := make(map[string]map[string]any)
	for at := start; at <= end; at += step {
		samples, err := source.Query(r.Context(), core.Query{Text: r.FormValue("query"), At: time.UnixMilli(at)})
		if err != nil {
			refuse(w, err)
			return
		}
		for _, s := range samples {
			key := fmt.Sprint(s.Labels)
			if series[key] == nil {
				series[key] = map[string]any{"metric": s.Labels, "values": [][2]any(nil)}
			}
			series[key]["values"] = append(series[key]["values"].([][2]any), [2]any{float64(at) / 1e3, fmt.Sprint(s.Value)})
		}
	}
	reply(w, http.StatusOK, map[string]any{
		"status": "success", "data": map[string]any{"resultType": "matrix", "result": slices.Collect(maps.Values(series))},
	})
}

// refuse answers as the real server does when a query fails.
func refuse(w http.ResponseWriter, err error) {
	code, kind := http.StatusUnprocessableEntity, "execution"
	if permanent(err) {
		code, kind = http.StatusBadRequest, "bad_data"
	}
	reply(w, code, map[string]any{"status": "error", "errorType": kind, "error": err.Error()})
}

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}
