package judge

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Row is one look as a file tells it.
type Row[L any] struct {
	At   string // its timestamp, as written
	Look L
}

// ReadCounts reads a file with the header
// timestamp,control_requests,control_errors,candidate_requests,candidate_errors. What is empty is missing.
func ReadCounts(r io.Reader) ([]Row[CountLook], error) {
	header := []string{"control_requests", "control_errors", "candidate_requests", "candidate_errors"}
	return readRows(r, exactly(header), func(n []float64) CountLook {
		return CountLook{Control: n[0], ControlBad: n[1], Candidate: n[2], CandidateBad: n[3]}
	})
}

// ReadGauge reads a file with the header timestamp,control,candidate.
func ReadGauge(r io.Reader) ([]Row[GaugeLook], error) {
	return readRows(r, exactly([]string{"control", "candidate"}), func(n []float64) GaugeLook {
		return GaugeLook{Control: n[0], Candidate: n[1]}
	})
}

// ReadHistory reads a file with the header timestamp,value.
func ReadHistory(r io.Reader) ([]Row[float64], error) {
	return readRows(r, exactly([]string{"value"}), func(n []float64) float64 { return n[0] })
}

// ReadHistogram reads a file with the header timestamp,control_le_0.005,...,control_le_inf,candidate_le_0.005,... and
// returns the edges too. The last edge is +Inf.
func ReadHistogram(r io.Reader) ([]Row[HistogramLook], []float64, error) {
	var edges []float64
	rows, err := readRows(r, func(header []string) (err error) {
		edges, err = readEdges(header)
		return err
	}, func(n []float64) HistogramLook {
		return HistogramLook{Control: n[:len(n)/2], Candidate: n[len(n)/2:]}
	})
	return rows, edges, err
}

// exactly checks that a header has these columns.
func exactly(want []string) func([]string) error {
	return func(got []string) error {
		if !slices.Equal(got, want) {
			return fmt.Errorf("the header must be timestamp,%s", strings.Join(want, ","))
		}
		return nil
	}
}

// readEdges takes the bucket edges from the columns of both arms.
func readEdges(header []string) ([]float64, error) {
	wrong := errors.New("the header must be timestamp, then control_le_EDGE for ascending edges up to control_le_inf, " +
		"then candidate_le_EDGE for the same")
	half := len(header) / 2
	if half < 2 || len(header)%2 != 0 {
		return nil, wrong
	}
	edges := make([]float64, half)
	for i := range edges {
		edge, ok := strings.CutPrefix(header[i], "control_le_")
		x, err := strconv.ParseFloat(edge, 64)
		if !ok || err != nil || math.IsNaN(x) || header[half+i] != "candidate_le_"+edge || i > 0 && x <= edges[i-1] {
			return nil, wrong
		}
		edges[i] = x
	}
	if !math.IsInf(edges[half-1], 1) {
		return nil, wrong
	}
	return edges, nil
}

// readRows reads a table of numbers under a header. A row that is short, or has an empty field, misses the rest of them.
func readRows[L any](r io.Reader, check func([]string) error, look func([]float64) L) ([]Row[L], error) {
	table := csv.NewReader(r)
	table.FieldsPerRecord = -1
	table.TrimLeadingSpace = true
	header, err := table.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty; its first line must be a header")
	}
	if err != nil {
		return nil, err
	}
	if header[0] != "timestamp" {
		return nil, fmt.Errorf("line 1: the first column is %q; it must be timestamp", header[0])
	}
	if err := check(header[1:]); err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	var rows []Row[L]
	for {
		record, err := table.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := table.FieldPos(0)
		if len(record) > len(header) {
			return nil, fmt.Errorf("line %d has %d fields; the header has %d", line, len(record), len(header))
		}
		numbers := slices.Repeat([]float64{math.NaN()}, len(header)-1)
		for i, field := range record[1:] {
			if field = strings.TrimSpace(field); field == "" {
				continue
			}
			x, err := strconv.ParseFloat(field, 64)
			if err != nil && !errors.Is(err, strconv.ErrRange) {
				return nil, fmt.Errorf("line %d: %q in column %s is no number", line, field, header[i+1])
			}
			numbers[i] = x
		}
		rows = append(rows, Row[L]{At: record[0], Look: look(numbers)})
	}
}
