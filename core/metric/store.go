package metric

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/annotations"
)

// The bounds of a store. Chunks are compressed: a sample takes 1 to 10 bytes, see BenchmarkStoreMemory.
const (
	chunkSamples = 120     // samples in one chunk; samples leave the store a chunk at a time
	storeSeries  = 500_000 // series in the store of a source, those of targets that are gone included
)

// stale marks the place where a series ends, so that it is not taken for one that stands still.
var stale = math.Float64frombits(value.StaleNaN)

var errFull = errors.New("the store is full: too many series; scrape fewer targets, or less of them")

// A store keeps samples in memory for a while and serves them to the PromQL engine. Times are in milliseconds.
// It is safe for concurrent use, but each series has one writer.
type store struct {
	retention int64
	limit     int // of series

	mu     sync.RWMutex
	byName map[string][]*series // by metric name
	byHash map[uint64][]*series // by hash of all labels
	count  int
	swept  int64
}

// A series is a name, labels and samples in rising order of time.
type series struct {
	labels labels.Labels
	chunks []chunk
	open   chunkenc.Appender // appends to the last chunk
}

type chunk struct {
	from, to int64 // times of the first and the last sample
	samples  *chunkenc.XORChunk
}

// A point is one sample of a scrape.
type point struct {
	labels labels.Labels
	value  float64
}

// Sample values of the series up.
const (
	up   = 1.0
	down = 0.0
)

func newStore(retention int64, limit int) *store {
	return &store{
		retention: retention, limit: limit, swept: math.MinInt64,
		byName: map[string][]*series{}, byHash: map[uint64][]*series{},
	}
}

// commit adds what one scrape found at t: all of it or, if the scrape failed, nothing but a zero for health. The series
// in live that it did not find again end. commit returns the series that live on, health first, and why the scrape
// failed. What does not come later than the last sample of its series is dropped.
func (s *store) commit(t int64, health labels.Labels, points []point, live []*series, failed error) ([]*series, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(t)
	if failed == nil && s.count+s.unknown(points) > s.limit {
		failed = errFull
	}
	state := up
	if failed != nil {
		state, points = down, nil
	}
	found := make([]*series, 0, len(points)+1)
	for _, p := range append([]point{{health, state}}, points...) {
		if one := s.get(p.labels); one.append(t, p.value) {
			found = append(found, one)
		}
	}
	for _, one := range live {
		one.append(t, stale) // does nothing to those found again: they have a sample at t
	}
	return found, failed
}

// expire ends series whose target is no longer watched, at t or right after their last sample.
func (s *store) expire(t int64, live []*series) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range live {
		if n := len(one.chunks); n > 0 {
			one.append(max(t, one.chunks[n-1].to+1), stale)
		}
	}
}

// unknown counts the points whose series are new.
func (s *store) unknown(points []point) (n int) {
	for _, p := range points {
		if s.find(p.labels, p.labels.Hash()) == nil {
			n++
		}
	}
	return n
}

func (s *store) find(l labels.Labels, hash uint64) *series {
	for _, one := range s.byHash[hash] {
		if labels.Equal(one.labels, l) {
			return one
		}
	}
	return nil
}

func (s *store) get(l labels.Labels) *series {
	hash := l.Hash()
	if one := s.find(l, hash); one != nil {
		return one
	}
	one, name := &series{labels: l}, l.Get(model.MetricNameLabel)
	s.byHash[hash] = append(s.byHash[hash], one)
	s.byName[name] = append(s.byName[name], one)
	s.count++
	return one
}

// append adds a sample unless it comes too late.
func (one *series) append(t int64, v float64) bool {
	n := len(one.chunks)
	if n > 0 && t <= one.chunks[n-1].to {
		return false
	}
	if n == 0 || one.chunks[n-1].samples.NumSamples() == chunkSamples {
		if n > 0 {
			one.chunks[n-1].samples.Compact()
		}
		samples := chunkenc.NewXORChunk()
		one.open, _ = samples.Appender() // fails only on a chunk that cannot be read
		one.chunks = append(one.chunks, chunk{from: t, to: t, samples: samples})
		n++
	}
	one.open.Append(0, t, v)
	one.chunks[n-1].to = t
	return true
}

// sweep drops what is older than the retention, every tenth of it.
func (s *store) sweep(t int64) {
	if s.swept != math.MinInt64 && t-s.swept < s.retention/10 {
		return
	}
	s.swept = t
	oldest := t - s.retention
	for hash, same := range s.byHash {
		same = slices.DeleteFunc(same, func(one *series) bool {
			one.chunks = slices.DeleteFunc(one.chunks, func(c chunk) bool { return c.to < oldest })
			return len(one.chunks) == 0
		})
		if s.byHash[hash] = same; len(same) == 0 {
			delete(s.byHash, hash)
		}
	}
	s.count = 0
	for name, same := range s.byName {
		same = slices.DeleteFunc(same, func(one *series) bool { return len(one.chunks) == 0 })
		if s.byName[name] = same; len(same) == 0 {
			delete(s.byName, name)
		}
		s.count += len(same)
	}
}

// view returns the samples of a series between two times, and a few around them. The caller holds the lock; the view
// is good without it.
func (one *series) view(from, to int64) (view, bool) {
	v := view{labels: one.labels}
	for i, c := range one.chunks {
		if c.to < from || c.from > to {
			continue
		}
		samples := c.samples
		if i == len(one.chunks)-1 { // still written to
			samples = chunkenc.NewXORChunk()
			samples.Reset(slices.Clone(c.samples.Bytes()))
		}
		v.chunks = append(v.chunks, samples)
	}
	return v, len(v.chunks) > 0
}

// tries counts the scrapes between two times that are in a health series, and those among them that came through.
func (s *store) tries(health labels.Labels, from, to int64) (all, good int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	one := s.find(health, health.Hash())
	if one == nil {
		return 0, 0
	}
	v, ok := one.view(from, to)
	if !ok {
		return 0, 0
	}
	for it := v.Iterator(nil); it.Next() != chunkenc.ValNone; {
		t, state := it.At()
		if t < from || t > to || value.IsStaleNaN(state) {
			continue
		}
		all++
		if state == up {
			good++
		}
	}
	return all, good
}

// Querier implements [storage.Queryable].
func (s *store) Querier(from, to int64) (storage.Querier, error) {
	return &querier{Querier: storage.NoopQuerier(), store: s, from: from, to: to}, nil
}

// A querier serves one query. The engine asks it for series only, never for the names and values of labels.
type querier struct {
	storage.Querier
	store    *store
	from, to int64
}

// Select implements [storage.Querier].
func (q *querier) Select(
	ctx context.Context, sorted bool, _ *storage.SelectHints, m ...*labels.Matcher,
) storage.SeriesSet {
	q.store.mu.RLock()
	defer q.store.mu.RUnlock()
	found := &views{}
	take := func(all []*series) {
		for _, one := range all {
			if !matches(one.labels, m) {
				continue
			}
			if v, ok := one.view(q.from, q.to); ok {
				found.left = append(found.left, v)
			}
		}
	}
	named := slices.IndexFunc(m, func(m *labels.Matcher) bool {
		return m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual
	})
	if named >= 0 {
		take(q.store.byName[m[named].Value])
	} else {
		for _, all := range q.store.byName {
			take(all)
		}
	}
	if err := ctx.Err(); err != nil {
		return storage.ErrSeriesSet(err)
	}
	if sorted {
		slices.SortFunc(found.left, func(a, b view) int { return labels.Compare(a.labels, b.labels) })
	}
	return found
}

func matches(l labels.Labels, all []*labels.Matcher) bool {
	return !slices.ContainsFunc(all, func(m *labels.Matcher) bool { return !m.Matches(l.Get(m.Name)) })
}

// views are the series that a query selects.
type views struct {
	at   view
	left []view
}

func (s *views) Next() bool {
	if len(s.left) == 0 {
		return false
	}
	s.at, s.left = s.left[0], s.left[1:]
	return true
}

func (s *views) At() storage.Series                { return s.at }
func (s *views) Err() error                        { return nil }
func (s *views) Warnings() annotations.Annotations { return nil }

// A view is the part of a series that a query may read.
type view struct {
	labels labels.Labels
	chunks []chunkenc.Iterable
}

func (v view) Labels() labels.Labels { return v.labels }

func (v view) Iterator(it chunkenc.Iterator) chunkenc.Iterator {
	return storage.ChainSampleIteratorFromIterables(it, v.chunks)
}
