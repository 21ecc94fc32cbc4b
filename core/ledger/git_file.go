package ledger

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// A File is one file of a git repository, as of a commit.
type File struct {
	Name   string // for people, without secrets
	Pinned string // the same with the commit in the place of the ref
	Commit string
	Text   []byte
}

// FileHere reads a file of the repository that env.Dir is in, as of a ref: a branch, a tag or a commit. A ref that is
// not there is asked for at the remote origin; the repository itself does not change. A branch goes before a tag of the
// same name, which more people may make.
func FileHere(ctx context.Context, ref, name string, env Env) (File, error) {
	name, err := fileAsked(ref, name)
	if err != nil {
		return File{}, err
	}
	dir, err := filepath.Abs(env.Dir)
	if err != nil {
		return File{}, err
	}
	dir = worktree(dir)
	environ := configure(append(withoutRepository(env.Environ), "LC_ALL=C", "GIT_TERMINAL_PROMPT=0"), []setting{{"safe.directory", dir}})
	here := func(args ...string) ([]byte, error) { return run(ctx, dir, environ, nil, args...) }
	f := File{Name: "git:" + ref + ":" + name}
	for _, full := range []string{"refs/heads/" + ref, "refs/remotes/origin/" + ref, ref} {
		if f.Commit, err = resolve(here, full+"^{commit}"); err != nil {
			return File{}, err
		}
		if f.Commit != "" {
			break
		}
	}
	if f.Commit == "" {
		there, err := FileAt(ctx, "origin", ref, name, env)
		there.Name, there.Pinned = f.Name, "git:"+there.Commit+":"+name
		return there, err
	}
	f.Pinned = "git:" + f.Commit + ":" + name
	blob, err := resolve(here, f.Commit+":"+name)
	if err == nil && blob == "" {
		err = fmt.Errorf("git:%s has no file %s", ref, name)
	}
	if err != nil {
		return File{}, err
	}
	f.Text, err = here("cat-file", "blob", blob)
	return f, err
}

// FileAt reads a file of the repository at a place as of a ref. The place is the name of a remote of the repository that
// env.Dir is in, or a URL or path that git understands; it is reached as a ledger there would be.
func FileAt(ctx context.Context, place, ref, name string, env Env) (File, error) {
	name, err := fileAsked(ref, name)
	if err == nil && strings.HasPrefix(place, "-") {
		err = fmt.Errorf("%q is no repository", place)
	}
	if err != nil {
		return File{}, err
	}
	r, err := findRemote(ctx, place, env)
	if err != nil {
		return File{}, err
	}
	defer r.close() // what was read is all that is wanted of it
	const here = "refs/breakwater-file"
	for _, full := range []string{"refs/heads/" + ref, ref} {
		_, err = r.ask(ctx, nil, "fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head",
			"--no-recurse-submodules", "--filter=blob:none", alias, "+"+full+":"+here)
		if err == nil {
			break
		}
	}
	if err != nil {
		return File{}, fmt.Errorf("ref %s of %s cannot be read: %w", ref, r.name, err)
	}
	local := func(args ...string) ([]byte, error) { return r.local(ctx, nil, args...) }
	f := File{Name: r.name + "@" + ref + ":" + name}
	if f.Commit, err = resolve(local, here+"^{commit}"); err != nil {
		return File{}, err
	}
	f.Pinned = r.name + "@" + f.Commit + ":" + name
	blob, err := resolve(local, f.Commit+":"+name)
	if err == nil && blob == "" {
		err = fmt.Errorf("%s@%s has no file %s", r.name, ref, name)
	}
	if err != nil {
		return File{}, err
	}
	texts, err := r.blobs(ctx, []string{blob})
	if err != nil {
		return File{}, err
	}
	f.Text = texts[0]
	return f, nil
}

// resolve returns the name of the object that git calls so, empty if there is none.
func resolve(git func(args ...string) ([]byte, error), called string) (string, error) {
	name, err := git("rev-parse", "--verify", "--quiet", called)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
		return "", nil
	}
	return strings.TrimSpace(string(name)), err
}

// fileAsked returns the path of a file as git has it, and refuses what git would take for something else.
func fileAsked(ref, name string) (string, error) {
	clean := path.Clean(name)
	switch {
	case ref == "" || strings.HasPrefix(ref, "-") || strings.ContainsAny(ref, " :^~*?[\\"):
		return "", fmt.Errorf("%q is no ref; name a branch, a tag or a commit", ref)
	case name == "" || path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../"):
		return "", fmt.Errorf("%q is no file of a repository; name it from the root of the repository", name)
	}
	return clean, nil
}
