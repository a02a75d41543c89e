#!/usr/bin/env bash
# Prints every text that a user can see, in a row, to be read: the help of each tool and of the
# container, and the messages in the sources with the file and the line of each.
#
# usage: scripts/messages.sh [DIRECTORY]
# DIRECTORY has the built tools. Without it, they are built into target/debug.
set -euo pipefail
cd "$(dirname "$0")/.."

heading() {
  printf '\n========== %s\n' "$*"
}

# Prints the messages of Rust sources: the string literals that are arguments of `#[error(…)]`, of a
# `tracing` macro, of a hint or of a context, and all other literals of at least two words. Comments,
# tests and attributes are left out. A literal of several lines is printed as one line.
print_messages() {
  perl - "$@" <<'PERL'
use strict;
use warnings;

for my $file (@ARGV) {
    open my $handle, '<', $file or die "$file: $!\n";
    my $source = do { local $/; <$handle> };
    # Unit tests are the last module of a file.
    $source =~ s/^#\[cfg\(test\)\]\nmod tests \{.*//ms;
    my ($code, $line, $found) = ('', 1, 0);
    while ($source =~ m{
            \G(?: (?<comment> //[^\n]* | /\*.*?\*/ )
            | b?r(?<fence>\#*)"(?<raw>.*?)"\g{fence}
            | b?"(?<text>(?:[^"\\]|\\.)*)"
            | (?<char> '(?:[^'\\\n]|\\[^'\n]+|\\')' )
            | (?<other> . ) )}gsx) {
        my ($whole, $text) = ($&, $+{text} // $+{raw});
        if (defined $text) {
            my $kind = kind_of($code);
            $text =~ s/\\\n\s*//g;
            $text =~ s/\s*\n\s*/ /g;
            # Of a page, the text is read and not its tags.
            $text =~ s/\s*<[^<>]*>\s*/ /g if $text =~ /<\/?[a-z]/;
            my $is_sentence = $text =~ /[[:alpha:]]{2}.*\s.*[[:alpha:]]{2}/;
            # A single word may be the message of an event or an error.
            my $is_word = defined $kind && $kind =~ /^(error|warn|info|debug|trace|message)$/ && $text =~ /[[:alpha:]]{2}/;
            if (defined $kind && ($is_word || $is_sentence)) {
                print "\n$file\n" unless $found++;
                printf "%5d %-8s %s\n", $line, $kind, $text;
            }
            $code .= '""';
        } elsif (!defined $+{comment}) {
            $code .= $whole;
            # Only the current statement tells what a literal is for.
            $code = '' if $whole eq ';';
        }
        $line += ($whole =~ tr/\n//);
    }
}

# Returns what the literal after this code is for: an empty text if that is unknown, and nothing if
# no user sees it.
sub kind_of {
    my ($code) = @_;
    $code = substr $code, -400;
    return 'error' if $code =~ /#\[error\(\s*$/;
    return undef if $code =~ /#!?\[[^\]]*$/ || $code =~ /\btarget: $/;
    return undef if $code =~ /(?:\.expect|assert\w*!|panic!|unreachable!|\.(?:get|join|starts_with|ends_with|contains|strip_prefix|strip_suffix))\(\s*$/;
    return $1 if $code =~ /tracing::(error|warn|info|debug|trace)!\((?:[^()]|\([^()]*\))*$/;
    return 'hint' if $code =~ /\.hint\((?:[^()]|\([^()]*\))*$/ || $code =~ /\bhint\b[^;{}]*$/;
    return 'context' if $code =~ /context\((?:[^()]|\([^()]*\))*$/;
    return 'message' if $code =~ /Failure::message\((?:[^()]|\([^()]*\))*$/;
    return '';
}
PERL
}

if (($# == 0)); then
  cargo build --workspace --locked --quiet --bins
  set -- "${CARGO_TARGET_DIR:-target}/debug"
fi
for tool in soci-*/; do
  tool=${tool%/}
  for option in -h --help; do
    heading "$tool $option"
    "$1/$tool" "$option"
  done
done
heading scripts/entrypoint.sh --help
scripts/entrypoint.sh --help
heading 'messages of shell scripts'
grep -nE "^ *(refuse|printf|echo) |hint=|refuse [\"']" scripts/entrypoint.sh
heading 'messages of the sources'
mapfile -t sources < <(find crates/*/src soci-*/src deploy/lambda/soci-lambda/src -name '*.rs' ! -path 'crates/soci-testkit/*' ! -name tests.rs ! -path '*/tests/*' | LC_ALL=C sort)
print_messages "${sources[@]}"
