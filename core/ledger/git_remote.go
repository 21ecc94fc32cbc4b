package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A remote is a git remote, reached from a private bare repository of ours: the user's clone is only asked for its
// configuration, and nothing in it changes.
type remote struct {
	name  string   // as the user calls it, without secrets
	dir   string   // where git runs, so that relative URLs and credential helpers mean what they mean to the user
	reach []string // environment of commands that ask the remote: with the configuration that reaches it
	stay  []string // of commands that do not: there a missing object stays missing
	login *login   // as whom the remote is asked; nil: as git is told
	temp  string   // folder in which the private repository is made
	repo  string   // the private repository; empty until it is needed
}

// A setting is one value of git's configuration.
type setting struct{ key, value string }

// findRemote turns the place of a git: URL into a remote. What is configured for the user's repository, also by
// includes that depend on its path, is passed on by environment: a command line can be seen by others.
func findRemote(ctx context.Context, place string, env Env) (*remote, error) {
	dir, err := filepath.Abs(env.Dir)
	if err != nil {
		return nil, err
	}
	var login []setting
	if place == "" {
		if place, login, err = jobRemote(env.Environ); err != nil {
			return nil, err
		}
	}
	r := &remote{name: hideSecrets(place), dir: worktree(dir), temp: cmp.Or(lookup(env.Environ, "TMPDIR"), "/tmp")}
	r.stay = append(withoutRepository(env.Environ), "LC_ALL=C", "GIT_TERMINAL_PROMPT=0")
	if err := r.configure(ctx, place, dir, env, login); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// configure finds out what the private repository lacks to reach the remote as the user's own repository would, or by a
// login.
func (r *remote) configure(ctx context.Context, place, dir string, env Env, login []setting) error {
	// A clone that belongs to another user, as in containers, is read too: nothing in it is executed.
	trusted := setting{"safe.directory", r.dir}
	listed, err := run(ctx, dir, configure(env.Environ, []setting{trusted}), nil, list...)
	if err != nil {
		return err
	}
	all := settings(listed)
	if !slices.Contains(all, trusted) {
		return errors.New("git is too old: it does not read GIT_CONFIG_COUNT; install git 2.31 or newer")
	}
	// The user's own files are in force in the private repository as well. If they were passed on too, git would send
	// an authorization header from there twice, which forges refuse.
	if listed, err = r.local(ctx, nil, list...); err != nil {
		return err
	}
	pass, err := r.address(all, place, dir)
	if err != nil {
		return err
	}
	for _, s := range without(all, settings(listed)) {
		if matters(s.key) {
			pass = append(pass, s)
		}
	}
	r.reach, r.login = configure(r.stay, append(pass, login...)), findLogin(ctx, pass, env)
	return nil
}

// address returns the settings that make place the remote of the private repository.
func (r *remote) address(all []setting, place, dir string) ([]setting, error) {
	pass := []setting{
		{"remote." + alias + ".promisor", "true"}, // lets the contents of files stay where they are until asked for
		{"remote." + alias + ".partialclonefilter", "blob:none"},
	}
	if slices.Contains(remotes(all), place) {
		for _, s := range all {
			if key, ok := strings.CutPrefix(s.key, "remote."+place+"."); ok && slices.Contains(remoteKeys, key) {
				pass = append(pass, setting{"remote." + alias + "." + key, s.value})
			}
		}
		return pass, nil
	}
	if _, err := os.Stat(filepath.Join(dir, place)); err != nil && !strings.ContainsAny(place, ":/") {
		return nil, fmt.Errorf("the repository in %s has no remote %q; it has %s", dir, place,
			cmp.Or(strings.Join(remotes(all), ", "), "none"))
	}
	r.dir = dir
	return append(pass, setting{"remote." + alias + ".url", place}), nil
}

// list are the arguments with which git lists its configuration.
var list = []string{"config", "--list", "--includes", "-z"}

// settings reads git's list of its configuration.
func settings(listed []byte) []setting {
	var all []setting
	for entry := range strings.SplitSeq(strings.TrimSuffix(string(listed), "\x00"), "\x00") {
		key, value, given := strings.Cut(entry, "\n")
		if !given {
			value = "true"
		}
		all = append(all, setting{key, value})
	}
	return all
}

// matters says whether a setting can decide how a remote is reached.
func matters(key string) bool {
	section, rest, _ := strings.Cut(key, ".")
	switch section {
	case "http", "credential", "url", "ssh", "safe":
		return true
	case "core":
		return rest == "sshcommand" || rest == "askpass" || rest == "gitproxy"
	case "protocol":
		return strings.HasSuffix(rest, "allow")
	default:
		return false
	}
}

// remoteKeys are the settings of a remote that decide how it is reached.
var remoteKeys = []string{"url", "pushurl", "proxy", "proxyauthmethod", "uploadpack", "receivepack", "vcs"}

// worktree returns the folder at or above dir that is a clone, or else dir.
func worktree(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			return at
		}
		if at == filepath.Dir(at) {
			return dir
		}
	}
}

// remotes returns the names of the remotes that have a URL.
func remotes(all []setting) []string {
	var names []string
	for _, s := range all {
		rest, ok := strings.CutPrefix(s.key, "remote.")
		if name, isURL := strings.CutSuffix(rest, ".url"); ok && isURL {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// without returns the settings of all that are not among known, each of which accounts for one.
func without(all, known []setting) []setting {
	known = slices.Clone(known)
	return slices.DeleteFunc(slices.Clone(all), func(s setting) bool {
		i := slices.Index(known, s)
		if i >= 0 {
			known = slices.Delete(known, i, i+1)
		}
		return i >= 0
	})
}

// configure adds settings to those that an environment already gives to git.
func configure(environ []string, add []setting) []string {
	count, _ := strconv.Atoi(lookup(environ, "GIT_CONFIG_COUNT")) // git itself complains of a count that is none
	environ = slices.Clone(environ)
	for i, s := range add {
		environ = append(environ,
			fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", count+i, s.key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", count+i, s.value))
	}
	return append(environ, fmt.Sprintf("GIT_CONFIG_COUNT=%d", count+len(add)))
}

// withoutRepository drops from an environment what ties git to a repository. The list is that of git rev-parse
// --local-env-vars.
func withoutRepository(environ []string) []string {
	tied := []string{
		"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS",
		"GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_INTERNAL_SUPER_PREFIX",
		"GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE",
		"GIT_WORK_TREE", "GIT_NAMESPACE",
	}
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains(tied, name)
	})
}

// lookup returns the value that an environment gives to a name; the last one counts.
func lookup(environ []string, name string) string {
	for _, entry := range slices.Backward(environ) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}
