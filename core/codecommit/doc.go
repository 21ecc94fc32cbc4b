// Package codecommit is the way to a repository in AWS CodeCommit: files as of a commit, comments on commits and pull requests,
// approvals, and the login for git. It knows nothing of rollouts.
//
// CodeCommit keeps no statuses of commits, and anybody who may comment can write what looks like one of ours.
//
// Source: the API reference of CodeCommit, as it is in the SDK; the credential helper of the AWS CLI for how git logs in.
package codecommit
