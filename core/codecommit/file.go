package codecommit

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codecommit"
	"github.com/aws/aws-sdk-go-v2/service/codecommit/types"

	"github.com/breakwater-ci/breakwater/core/aws"
)

// Scheme begins a place in CodeCommit.
const Scheme = "codecommit:"

// A Place is a file of a repository as of a ref: codecommit:REPOSITORY@REF:FILE.
type Place struct{ Repository, Ref, Path string }

var (
	repositoryForm = regexp.MustCompile(`^[\w.-]{1,100}$`)
	commitForm     = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// ParsePlace reads a place. It reports false for what is none in CodeCommit, and an error for what is meant to be one.
func ParsePlace(text string) (p Place, ok bool, err error) {
	rest, ok := strings.CutPrefix(text, Scheme)
	if !ok {
		return Place{}, false, nil
	}
	repository, rest, at := strings.Cut(rest, "@")
	ref, name, colon := strings.Cut(rest, ":")
	clean := path.Clean(name)
	switch {
	case !at || !colon || name == "":
		err = fmt.Errorf("%q is not of the form codecommit:REPOSITORY@REF:FILE", text)
	case !repositoryForm.MatchString(repository):
		err = fmt.Errorf("%q is no name of a repository; it has letters, digits, _, - and . only", repository)
	case ref == "" || strings.HasPrefix(ref, "-") || strings.ContainsAny(ref, " ^~*?[\\"):
		err = fmt.Errorf("%q is no ref; name a branch, a tag or a full commit id", ref)
	case path.IsAbs(clean) || clean == ".." || strings.HasPrefix(clean, "../"):
		err = fmt.Errorf("%q is no file of a repository; name it from the root of the repository", name)
	}
	return Place{repository, ref, clean}, true, err
}

// IsCommit reports whether a text is the full id of a commit.
func IsCommit(text string) bool { return commitForm.MatchString(text) }

// A File is one file of a repository, as of a commit.
type File struct {
	Repository, Commit, Path string
	Text                     []byte
}

// Name is what people see of the file: REPOSITORY@COMMIT:FILE.
func (f File) Name() string { return f.Repository + "@" + f.Commit + ":" + f.Path }

// File reads a file. A branch is first resolved to the commit at its tip, once, and goes before a tag of the same name, which
// more people may make.
func (c *Client) File(ctx context.Context, p Place) (File, error) {
	ref, isBranch := strings.CutPrefix(p.Ref, "refs/heads/")
	tag, isTag := strings.CutPrefix(ref, "refs/tags/")
	switch {
	case IsCommit(p.Ref):
		return c.fileAt(ctx, p, p.Ref)
	case isTag:
		return c.fileAt(ctx, p, "refs/tags/"+tag)
	}
	out, err := c.calls.branch(ctx, &codecommit.GetBranchInput{RepositoryName: &p.Repository, BranchName: &ref})
	switch code := aws.Code(err); {
	case (code == "BranchDoesNotExistException" || code == "InvalidBranchNameException") && !isBranch:
		return c.fileAt(ctx, p, "refs/tags/"+ref)
	case err != nil:
		return File{}, refused(fmt.Sprintf("show branch %s of %s", ref, p.Repository), "GetBranch", p.Repository, err)
	case out.Branch == nil || !IsCommit(sdk.ToString(out.Branch.CommitId)):
		return File{}, fmt.Errorf("AWS does not say which commit branch %s of %s is at", ref, p.Repository)
	}
	return c.fileAt(ctx, p, *out.Branch.CommitId)
}

// fileAt reads a file as of a commit or a tag. Of a tag CodeCommit says itself at which commit it has found the file.
func (c *Client) fileAt(ctx context.Context, p Place, at string) (File, error) {
	out, err := c.calls.file(ctx, &codecommit.GetFileInput{RepositoryName: &p.Repository, FilePath: &p.Path, CommitSpecifier: &at})
	switch code := aws.Code(err); {
	case (code == "CommitDoesNotExistException" || code == "InvalidCommitException") && !IsCommit(at):
		return File{}, fmt.Errorf("%s has no branch and no tag %s; name one, or the full id of a commit", p.Repository, p.Ref)
	case code == "FileDoesNotExistException":
		return File{}, fmt.Errorf("%s@%s has no file %s", p.Repository, p.Ref, p.Path)
	case err != nil:
		return File{}, refused(fmt.Sprintf("show %s of %s@%s", p.Path, p.Repository, p.Ref), "GetFile", p.Repository, err)
	case out.FileMode == types.FileModeTypeEnumSymlink:
		return File{}, fmt.Errorf("%s of %s@%s is a symbolic link; name the file that it leads to", p.Path, p.Repository, p.Ref)
	}
	f := File{Repository: p.Repository, Commit: at, Path: p.Path, Text: out.FileContent}
	if !IsCommit(at) {
		if f.Commit = sdk.ToString(out.CommitId); !IsCommit(f.Commit) {
			return File{}, errors.New("AWS does not say which commit tag " + p.Ref + " of " + p.Repository + " is at")
		}
	}
	return f, nil
}
