package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// alias is what the remote is called in the private repository.
const alias = "breakwater"

// privateConfig keeps the user's hooks, signing and housekeeping out of the private repository.
const privateConfig = `[core]
	repositoryformatversion = 0
	bare = true
	hooksPath = /dev/null
[gc]
	auto = 0
[maintenance]
	auto = false
[protocol]
	version = 2
[push]
	gpgSign = false
`

// ready makes the private repository.
func (r *remote) ready() error {
	if r.repo != "" {
		return nil
	}
	repo, err := os.MkdirTemp(r.temp, "breakwater-ledger-")
	if err != nil {
		return fmt.Errorf("private repository: %w", err)
	}
	err = errors.Join(
		os.Mkdir(filepath.Join(repo, "objects"), 0o700),
		os.Mkdir(filepath.Join(repo, "refs"), 0o700),
		os.WriteFile(filepath.Join(repo, "HEAD"), []byte("ref: refs/heads/none\n"), 0o600),
		os.WriteFile(filepath.Join(repo, "config"), []byte(privateConfig), 0o600),
	)
	if err != nil {
		return fmt.Errorf("private repository: %w", errors.Join(err, os.RemoveAll(repo)))
	}
	r.repo = repo
	return nil
}

func (r *remote) close() error {
	repo := r.repo
	r.repo = ""
	return errors.Join(r.login.close(), os.RemoveAll(repo))
}

// fetch brings the newest commit of a ref here, without the contents of its files, and returns its name; "" if the
// remote has no such ref.
func (r *remote) fetch(ctx context.Context, ref string) (string, error) {
	_, err := r.ask(ctx, nil, "fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head",
		"--no-recurse-submodules", "--filter=blob:none", alias, "+"+ref+":"+ref)
	if err != nil {
		_, absent := r.ask(ctx, nil, "ls-remote", "--exit-code", alias, ref)
		if exit, ok := errors.AsType[*exec.ExitError](absent); ok && exit.ExitCode() == 2 {
			return "", nil
		}
		return "", err
	}
	out, err := r.local(ctx, nil, "rev-parse", "--verify", ref)
	return strings.TrimSpace(string(out)), err
}

// blobs returns the contents of objects, and fetches those that are not here yet, all at once.
func (r *remote) blobs(ctx context.Context, names []string) ([][]byte, error) {
	texts, missing, err := r.cat(ctx, names)
	if err != nil || len(missing) == 0 {
		return texts, err
	}
	// By default git tells the remote which commits are here, and the remote would take their files to be here too.
	noop := []setting{{"fetch.negotiationAlgorithm", "noop"}}
	_, err = r.askWith(ctx, noop, []byte(strings.Join(missing, "\n")+"\n"), "fetch", "--quiet", "--no-tags",
		"--no-write-fetch-head", "--no-recurse-submodules", "--filter=blob:none", "--stdin", alias)
	if err != nil {
		return nil, err
	}
	texts, missing, err = r.cat(ctx, names)
	if err == nil && len(missing) > 0 {
		err = &gitError{did: "fetch", said: fmt.Sprintf("the remote did not send object %s", missing[0])}
	}
	return texts, err
}

// cat reads objects that are here, and names those that are not.
func (r *remote) cat(ctx context.Context, names []string) (texts [][]byte, missing []string, err error) {
	out, err := r.local(ctx, []byte(strings.Join(names, "\n")+"\n"), "cat-file", "--batch")
	for err == nil && len(out) > 0 {
		header, rest, _ := bytes.Cut(out, []byte("\n"))
		fields := strings.Fields(string(header)) // "NAME blob SIZE" or "NAME missing"
		if len(fields) == 2 && fields[1] == "missing" {
			missing = append(missing, fields[0])
			out = rest
			continue
		}
		size, bad := strconv.Atoi(fields[len(fields)-1])
		if bad != nil || size >= len(rest) {
			return nil, nil, fmt.Errorf("git cat-file answered %q", header)
		}
		texts = append(texts, rest[:size:size])
		out = rest[size+1:]
	}
	return texts, missing, err
}

// push moves a ref of the remote from one commit to its child, only if it is still where it was; from is empty to make
// the ref.
func (r *remote) push(ctx context.Context, ref, from, to string) error {
	return r.send(ctx, "--force-with-lease="+ref+":"+from, alias, to+":"+ref)
}

// set makes refs of the remote, or removes them, as git push is told.
func (r *remote) set(ctx context.Context, refspecs ...string) error {
	return r.send(ctx, append([]string{alias}, refspecs...)...)
}

func (r *remote) send(ctx context.Context, what ...string) error {
	args := []string{"push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"}
	out, err := r.ask(ctx, nil, append(args, what...)...)
	trouble, failed := errors.AsType[*gitError](err)
	if !failed {
		return err
	}
	if _, why, refused := strings.Cut(string(out), "[remote rejected] "); refused {
		why, _, _ = strings.Cut(why, "\n")
		trouble.said = fmt.Sprintf("the remote refused: %s: %s", strings.Trim(why, "()"), trouble.said)
		trouble.final = !strings.Contains(why, "lock") && !strings.Contains(why, "update ref") // held by another writer
	}
	return trouble
}
