package metrictest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// API serves instant queries in the form of Prometheus' HTTP API, answered by a source that understands PromQL.
func API(source core.Source) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/query", func(w http.ResponseWriter, r *http.Request) {
		seconds, err := strconv.ParseFloat(r.FormValue("time"), 64)
		if err != nil {
			reply(w, http.StatusBadRequest, map[string]any{"status": "error", "errorType": "bad_data", "error": err.Error()})
			return
		}
		samples, err := source.Query(r.Context(), core.Query{Text: r.FormValue("query"), At: time.UnixMilli(int64(seconds*1e3 + 0.5))})
		if err != nil {
			code, kind := http.StatusUnprocessableEntity, "execution"
			if permanent(err) {
				code, kind = http.StatusBadRequest, "bad_data"
			}
			reply(w, code, map[string]any{"status": "error", "errorType": kind, "error": err.Error()})
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

func reply(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}
