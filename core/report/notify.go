package report

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
	"github.com/nicholas-fedor/shoutrrr/pkg/util"

	"github.com/breakwater-ci/breakwater/core"
)

// Notifiers returns one notifier for each URL. http and https URLs get a POST of a [Status] as JSON with one more
// key, "text": a sentence, so that Slack and what speaks like it can show it. Every other scheme is one of shoutrrr's,
// whose services bring their own HTTP clients. No error contains more of a URL than its scheme and host.
func Notifiers(urls []core.Secret, client *http.Client) ([]core.Notifier, error) {
	var notifiers []core.Notifier
	var errs []error
	for i, secret := range urls {
		n, err := notifier(secret.Reveal(), client)
		if err != nil {
			errs = append(errs, fmt.Errorf("notify: entry %d: %w", i+1, err))
			continue
		}
		notifiers = append(notifiers, n)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return notifiers, nil
}

func notifier(raw string, client *http.Client) (core.Notifier, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || !strings.Contains(raw, "://") {
		return nil, errors.New("is not a URL; write it like https://host/path or slack://token@channel")
	}
	_, secret, _ := strings.Cut(raw, "://")
	if u.Scheme == "http" || u.Scheme == "https" {
		if u.Host == "" {
			return nil, errors.New("has no host; write it like https://host/path")
		}
		return &webhook{url: u, secret: strings.Replace(secret, u.Host, "", 1), client: client}, nil
	}
	name, _, _ := strings.Cut(u.Scheme, "+")
	if known := schemes(); !slices.Contains(known, name) {
		return nil, fmt.Errorf("no notifier is named %q; known are: %s", name, strings.Join(known, ", "))
	}
	var services router.ServiceRouter
	services.SetLogger(util.DiscardLogger)
	service, err := services.Locate(raw)
	if err != nil {
		// What the error says is of no use, and may quote the URL.
		return nil, fmt.Errorf("%s: shoutrrr does not accept the URL; see its documentation for how one is written", name)
	}
	return &shout{name: name, secret: secret, service: service}, nil
}

// schemes are the known schemes, sorted. shoutrrr's logger is left out: it would tell nobody.
func schemes() []string {
	var services router.ServiceRouter
	known := slices.DeleteFunc(services.ListServices(), func(s string) bool { return s == "logger" })
	known = append(known, "http", "https")
	slices.Sort(known)
	return known
}

// A webhook posts JSON to a URL.
type webhook struct {
	url    *url.URL
	secret string // of the URL: all but scheme and host
	client *http.Client
}

// Notify posts the status. Anything but a 2xx answer is an error.
func (n *webhook) Notify(ctx context.Context, r *core.Rollout) error {
	body, err := json.Marshal(struct {
		Text string `json:"text"`
		Status
	}{sentence(r), NewStatus(r, time.Time{})})
	if err != nil {
		return err
	}
	at := n.url.Scheme + "://" + n.url.Host
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url.String(), bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("notify %s: %s", at, scrub(err, n.secret))
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := n.client.Do(req)
	if err != nil {
		return fmt.Errorf("notify %s: %s", at, scrub(err, n.secret))
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again; what it says is of no use
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("notify %s: answered %s; check the URL", at, line(resp.Status, 60))
	}
	return nil
}

// A shout is one of shoutrrr's services.
type shout struct {
	name    string
	secret  string // of the URL: all but the scheme, as some services have their token where the host belongs
	service types.Service
}

// Notify sends one sentence. shoutrrr knows no context: when ctx ends first, Notify returns and the send ends by the
// service's own timeout, which is the one case in which something of ours outlives its call.
func (n *shout) Notify(ctx context.Context, r *core.Rollout) error {
	sent := make(chan error, 1)
	go func() { sent <- n.service.Send(sentence(r), &types.Params{}) }()
	select {
	case <-ctx.Done():
		return fmt.Errorf("notify %s: no answer in time: %w", n.name, context.Cause(ctx))
	case err := <-sent:
		if err != nil {
			return fmt.Errorf("notify %s: %s", n.name, scrub(err, n.secret))
		}
		return nil
	}
}

// sentence tells of a rollout in a chat.
func sentence(r *core.Rollout) string {
	return fmt.Sprintf("%s %s: %s. %s", chat(r.Line.String(), 120), chat(r.Start.Version, 80), chat(string(r.State), 20),
		cmp.Or(chat(r.Reason, 600), r.State.Meaning()))
}

// scrub returns what an error says without any of the words of a secret. Libraries quote URLs whole, in pieces and in
// other shapes, so every run of letters and digits that is long enough to be worth something goes.
func scrub(err error, secret string) string {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err // its own text begins with the URL
	}
	said := line(err.Error(), 300)
	if plain, err := url.PathUnescape(secret); err == nil {
		secret += " " + plain
	}
	words := strings.FieldsFunc(secret, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	slices.SortFunc(words, func(a, b string) int { return len(b) - len(a) })
	for _, word := range words {
		if len(word) >= 4 {
			said = strings.ReplaceAll(said, word, "***")
		}
	}
	return said
}
