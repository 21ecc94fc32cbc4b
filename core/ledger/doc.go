// Package ledger keeps the events of lines, the only state that Breakwater has: in a folder (file:), under a ref of any
// git remote (git:) or of a repository on GitHub (github:), in a branch of a project on GitLab (gitlab:), in a bucket of S3
// (s3:), or in memory. [Open] picks one by its URL. All of them pass the suite in package ledgertest.
//
// # What a ledger promises
//
// An append is a compare-and-swap: it names the event that it comes after, and of several writers exactly one wins; the
// others get [core.ErrConflict]. Of an append all events are there, or none. Once Append has returned nil they stay:
// file: has synced the file and the folders, git: has the remote's word. If it returned another error than ErrConflict,
// only reading again tells whether the events are there; no ledger ever writes them twice.
//
// Reading never guesses. An append that was cut off by a crash was never acknowledged: readers leave it out and the next
// append removes it. Anything else that Breakwater did not write (a byte that changed, a gap, a missing segment, an
// event of another line) is a [CorruptError] that names the place, and nothing is done until a human has mended it. A
// ledger that went back behind what this process has seen of it, because somebody removed or rewrote it, is an error
// too, and never a fresh start.
//
// The cost of an append and of reading the newest rollout does not grow with history.
//
// # Format
//
// An event is one line of JSON: a [core.Event] with three more keys.
//
//	{"line":"checkout/production","seq":17,"at":...,"type":"renewed",...,"more":true,"sum":"9c1e44d2"}
//
// line is the line that it belongs to. more says that the next event is of the same append, so an append is whole once
// an event without it is there, newline included. sum is always the last key: the CRC-32C, as eight hexadecimal digits,
// of all bytes of the line before the comma in front of it. Readers ignore keys that they do not know; what an older
// version must not ignore gets a new event type, which it refuses.
//
// The lines are kept in segments, numbered from 0 without gaps. Only the newest is ever written to. An append goes whole
// into one segment: the newest, or the next one if the newest has more bytes than the limit. The first event of a line
// has number 1; the events of a rollout begin with started and have nothing between them. So the newest rollout is read
// from the newest segment back.
//
//	file:    DIR/<service>/<environment>/000000.jsonl    limit 1 MiB, appended to in place, under a lock on the file lock
//	git:     refs/breakwater/<service>/<environment>     limit 64 KiB, at 000/000.jsonl in the commit's tree: the number
//	                                                     divided by 1000, and what is left
//	gitlab:  the branch breakwater-ledger                limit 64 KiB, at 000/000.jsonl below
//	                                                     .breakwater-lines/<service>/<environment>
//	s3:      PREFIX/<service>/<environment>/999999.jsonl limit 64 KiB, written whole: 999999 less the number
//
// In a bucket an append is one object, written on condition that it still is what was read, or that it is not there yet.
// The limit is the same for all writers: a segment below it has none after it.
//
// In git an append is a commit with the one before it as its only parent, and it changes one file. It is pushed only if
// the ref still is at that parent. github: makes the same commits through the API. The ref's log is for people: each
// subject says what happened.
//
// In gitlab: an append is a commit to the one branch of all lines. It changes one segment, and puts an empty file
// end-SEGMENT-EVENT in the place of the one before: its name says where the line ends, and only one of two commits can do
// that.
//
// # Markers
//
// A parked line has a marker beside it, see [core.Lot], that says from when on it is worth a look: an empty file or a ref,
// of which only the name counts. DUE is a Unix time, ONCE a random text.
//
//	file:    DIR/.parked/<service>,<environment>,DUE-ONCE
//	git:     refs/breakwater-parked/<service>/<environment>/DUE-ONCE    at a commit of the line
//	gitlab:  .breakwater-parked/<service>/<environment>/DUE-ONCE        in the branch
//	s3:      PREFIX/.parked/<service>/<environment>/DUE-ONCE            an empty object
//
// Names of services and environments have letters, digits, dash, underscore and dots, in every ledger.
package ledger
