package calendar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/breakwater-ci/breakwater/core"
)

// Env is the world that calendars are read from.
type Env struct {
	Dir       string            // folder of files
	Transport http.RoundTripper // for URLs
	Clock     core.Clock
}

const (
	largest  = 1 << 20 // bytes of a calendar
	patience = 10 * time.Second
	tries    = 3
)

// Open reads the calendar at a place: a file below the folder, or an https URL. Errors do not name the place, which may
// have a key in it; the caller knows how the plan calls it.
func Open(ctx context.Context, place string, env Env) (core.Calendar, error) {
	read := func() (string, error) { return file(env.Dir, place) }
	if strings.Contains(place, "://") {
		read = func() (string, error) { return page(ctx, place, env) }
	}
	text, err := read()
	if err != nil {
		return nil, err
	}
	return Read(text)
}

func file(dir, name string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	f, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return bounded(f)
}

// page fetches a URL, and tries again what may have been bad luck.
func page(ctx context.Context, place string, env Env) (string, error) {
	if !strings.HasPrefix(place, "https://") {
		return "", errors.New("only https is trusted")
	}
	client := &http.Client{Transport: env.Transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Scheme != "https" || len(via) > 5 {
			return errors.New("it redirects too often, or to what is not https")
		}
		return nil
	}}
	for try := 1; ; try++ {
		text, again, err := fetch(ctx, client, place)
		if err == nil || !again || try == tries {
			return text, err
		}
		if err := env.Clock.Wait(ctx, env.Clock.Now().Add(time.Duration(try)*time.Second)); err != nil {
			return "", err
		}
	}
}

// fetch fetches a URL once, and says whether to try again.
func fetch(ctx context.Context, client *http.Client, place string) (text string, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, place, nil)
	if err != nil {
		return "", false, errors.New("it is no URL")
	}
	request.Header.Set("User-Agent", "breakwater")
	request.Header.Set("Accept", "text/calendar")
	answer, err := client.Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // without the URL
		}
		return "", true, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		again := answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests
		return "", again, fmt.Errorf("the server says %d %s", answer.StatusCode, http.StatusText(answer.StatusCode))
	}
	text, err = bounded(answer.Body)
	return text, true, err
}

func bounded(r io.Reader) (string, error) {
	text, err := io.ReadAll(io.LimitReader(r, largest+1))
	if err == nil && len(text) > largest {
		err = fmt.Errorf("it is larger than %d MiB", largest>>20)
	}
	return string(text), err
}
