// Package gitlab is the way to one project on GitLab: which token is used, how often a request is tried, what GitLab's
// limits ask for, and how many requests there were. Ledger and forge adapter share it.
//
// The library that speaks to the API is behind one file, api.go: it has moved to another place, and may follow.
package gitlab
