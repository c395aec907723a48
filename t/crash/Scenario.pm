# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# The scenarios of the crash harness. The state directory holds conf/ (a private configuration), queue/ and mail/; older
# messages wait in the queue and lie in the mailbox, and must stay as they are whatever happens to the new one.
#
# A scenario has: title, command, input (a file), uid and gid (who runs it), prepare (the starting state), acked (status and
# output: was it acknowledged?), count (messages of ours, or why that is wrong), judge (acknowledged, count: what is wrong),
# between (before the next run) and after (acknowledged, count after the next run: what is wrong).
package Scenario;
use strict; use warnings;

our ($dir, $queue, $box, $uid, $gid);
my @queues = qw(incoming active deferred hold corrupt trash);
my (%old, $template, $id);
my $report = qr/^Content-Type: multipart\/report/m;
my $body = join '', "BEGIN-MARK\n", (map { "line $_ of the body of a message that must be whole or absent\n" } 0 .. 59), "END-MARK\n";

sub read_file { my ($f) = @_; open my $h, '<', $f or return undef; local $/; return <$h> // '' }
sub write_file {
	my ($f, $text) = @_;
	open my $h, '>', $f or die "$f: $!"; print $h $text; close $h or die "$f: $!";
	chmod 0600, $f; chown $uid, $gid, $f if $> == 0;
}
sub files { my ($d) = @_; opendir my $h, $d or return; return map { "$d/$_" } grep { !/^\.\.?$/ } readdir $h }

# Takes all away but what is old, and puts back what of that is missing.
sub fresh {
	my @dirs = ((map { "$queue/$_" } @queues, 'defer', 'tmp'), "$box/new", "$box/cur", "$box/tmp");
	chmod 0700, "$queue/incoming"; # of dropping()
	push @dirs, "$queue/maildrop";
	for (map { files($_) } @dirs) { unlink $_ unless $old{$_} }
	for (keys %old) {
		next if defined read_file($_) && !harmed($_);
		write_file($_, $old{$_}{text}); utime $old{$_}{time}, $old{$_}{time}, $_;
	}
}
sub old_add {
	my ($file, $text, $time) = @_;
	write_file($file, $text); utime $time, $time, $file;
	$old{$file} = { text => $text, time => $time };
}
sub harmed {
	my ($file) = @_;
	my $text = read_file($file) // return 'gone';
	return $text ne $old{$file}{text} ? 'changed' : (stat $file)[9] != $old{$file}{time} ? 'touched' : '';
}
sub old_harmed {
	for (sort keys %old) { my $how = harmed($_); return "an older message is $how: $_" if $how }
	return '';
}
# Of text: is the message in it, whole? A queue file also says how long it is.
sub whole {
	my ($text, $in_queue) = @_;
	return 0 if index($text, $body) < 0;
	return 1 if !$in_queue;
	return $text =~ /^mtaq1 (\d+) (\d+)\n/ && $1 + $2 == length $text;
}
# Our messages in the queue.
sub in_queue {
	my $n = 0;
	for my $file (grep { !$old{$_} } map { files("$queue/$_") } @queues) {
		return (0, "in corrupt/: $file") if $file =~ m{/corrupt/};
		whole(read_file($file) // '', 1) or return (0, "partial: $file");
		$n++;
	}
	return ($n, '');
}
sub in_box {
	my ($which) = @_;
	my $n = 0;
	for my $file (grep { !$old{$_} } files("$box/new"), files("$box/cur")) {
		my $text = read_file($file) // '';
		whole($text) or return (0, "partial: $file");
		$n++ if !$which || $which->($text);
	}
	return ($n, '');
}

# Programs that put a message into the queue.
sub adding {
	my (%s) = @_;
	return { uid => undef, prepare => \&fresh, count => \&in_queue,
		acked => sub { my ($status) = @_; return $status == 0 },
		judge => sub { my ($acked, $n) = @_; return $acked && $n != 1 ? "acknowledged, but $n messages in the queue" : $n > 1 ? "$n messages" : '' },
		after => sub { my ($acked, $n) = @_; return $n == 2 || ($n == 1 && !$acked) ? '' : "$n messages after the next run" },
		%s };
}
# sendmail of one who may: it goes to maildrop/ when the queue cannot be opened.
sub queued_or_dropped {
	my ($n, $why) = in_queue();
	for (grep { !m{/\.tmp\.} } files("$queue/maildrop")) {
		$why ||= "partial: $_" if !whole(read_file($_) // '', 1);
		$n++;
	}
	return ($n, $why);
}
# sendmail of a user who may not write the queue, while no service runs.
sub dropping {
	my $in = sub {
		my $n = 0;
		for (files("$queue/maildrop")) {
			next if m{/\.tmp\.}; # not finished: pickup leaves it alone
			return (0, "partial: $_") if !whole(read_file($_) // '', 1);
			return (0, "$_ is for others to read") if (stat)[2] & 07;
			$n++;
		}
		my ($queued, $why) = in_queue();
		return ($n, $why || ($queued ? "$queued messages in the queue itself" : ''));
	};
	# without root there is one user: then nobody may write incoming/
	return adding(title => 'sendmail to maildrop/', input => "$dir/message", uid => 12345, gid => 12345, count => $in,
		prepare => sub { fresh(); chmod 0500, "$queue/incoming" if $> != 0 },
		command => ['sendmail', '-C', "$dir/conf", '-f', 'a@example.com', 'u@crash.test']);
}
# mtaqueue pickup with one message in maildrop/. While it is taken it is in two places, under one ID.
sub picking {
	my $put = sub {
		fresh();
		my $head = "id BBBBBBBBBBBBBBBBBBBB\ntime " . (time - 5) . ".000000\nsender <u\@crash.test>\nrcpt T <u\@crash.test>\n\n";
		my $file = "$queue/maildrop/BBBBBBBBBBBBBBBBBBBB";
		write_file($file, sprintf "mtaq1 %020d %020d\n%s%s", 48 + length $head, length $template, $head, $template);
		chmod 0644, $file; chown 12345, 12345, $file if $> == 0;
	};
	my $waits = sub { return files("$queue/maildrop") };
	return { title => 'mtaqueue pickup', command => ['mtaqueue', '-C', "$dir/conf", 'pickup'], uid => $uid, gid => $gid, prepare => $put, count => \&in_queue,
		acked => sub { my ($status) = @_; return $status == 0 },
		judge => sub {
			my ($acked, $n) = @_;
			my @waits = $waits->();
			return 'lost' if !$n && !@waits;
			return "$n messages in the queue, " . @waits . ' in maildrop/' if $n > 1 || @waits > 1;
			return 'said to be done, and is not' if $acked && (@waits || !$n);
			return 'in the queue, and will be again' if $n && @waits && !-e $queue . '/incoming/' . $waits[0] =~ s{.*/}{}r;
			return '';
		},
		after => sub {
			my (undef, $n) = @_;
			my @waits = $waits->();
			return $n == 1 && !@waits ? '' : "$n messages in the queue after the next run, " . @waits . ' in maildrop/';
		} };
}
sub session {
	my (@lines) = @_;
	return join "\r\n", 'EHLO me.example.com', 'MAIL FROM:<a@example.com>', 'RCPT TO:<u@crash.test>', @lines, 'QUIT', '';
}
sub crlf { my ($text) = @_; $text =~ s/\n/\r\n/g; return $text }

# mtaqmgr -1 with one message in incoming/. rcpt: its recipients; copies, reports, left: what must be there at last.
sub managing {
	my ($title, $rcpt, %want) = @_;
	my $put = sub {
		fresh();
		my $list = join '', map { "rcpt T <$_>\n" } @$rcpt;
		my $head = "id $id\ntime " . (time - 5) . ".000000\nsender <u\@crash.test>\n$list\n";
		write_file("$queue/incoming/$id", sprintf "mtaq1 %020d %020d\n%s%s", 48 + length $head, length $template, $head, $template);
	};
	my $look = sub {
		my ($n, $why) = in_queue_or_report();
		my ($copies, $why2) = in_box(sub { $_[0] !~ $report });
		return ([$n, $copies], $why || $why2);
	};
	return { title => $title, command => ['mtaqmgr', '-1', '-C', "$dir/conf"], uid => $uid, gid => $gid, prepare => $put, count => $look,
		acked => sub { my ($status) = @_; return $status == 0 },
		judge => sub {
			my ($acked, $n) = @_;
			my ($queued, $there) = ($n->[0], reports() + $n->[1]);
			return 'lost' if !$queued && !$there;
			return 'the message is in the queue twice' if $queued > 1;
			return '';
		},
		between => sub { my $f = "$queue/deferred/$id"; utime 1000, 1000, $f if -e $f },
		after => sub {
			my (undef, $n) = @_;
			my $reports = reports();
			my $copies = $n->[1];
			return sprintf "%d copies in the mailbox, not %d or one more", $copies, $want{copies} if $copies < $want{copies} || $copies > 2 * $want{copies};
			return sprintf "%d reports to the sender, not %d or one more", $reports, $want{reports} if $reports < $want{reports} || $reports > 2 * $want{reports};
			return sprintf "%d messages left in the queue, not %d", $n->[0], $want{left} if $n->[0] != $want{left};
			return '' if !$want{left};
			my $file = "$queue/deferred/$id";
			my $letters = join '', (read_file($file) // '') =~ /^rcpt (.) /mg;
			return "letters $letters in deferred/, not $want{letters}" if $letters ne $want{letters};
			return -s "$queue/defer/$id" ? '' : 'no reason on record';
		} };
}
# mtaqueue with one message that waits in deferred/. says: what its file says afterwards; without: it is reported and gone. A run
# that was killed may leave it on hold, where the next one leaves it.
sub by_hand {
	my ($title, $verb, %want) = @_;
	my $put = sub {
		fresh();
		my $head = "id $id\ntime " . (time - 5) . ".000000\nsender <u\@crash.test>\nrcpt T <x\@busy.test>\n\n";
		write_file("$queue/deferred/$id", sprintf "mtaq1 %020d %020d\n%s%s", 48 + length $head, length $template, $head, $template);
		write_file("$queue/defer/$id", "1700000000 4.2.0 <x\@busy.test> 450 busy\n");
	};
	my $whole = sub { my ($n, $why) = in_queue_or_report(); return ($n, $why) };
	my $done = sub {
		my ($n) = $whole->();
		return reports() >= 1 && $n == 0 if !$want{says};
		return $n == 1 && (read_file("$queue/incoming/$id") // read_file("$queue/hold/$id") // '') =~ $want{says};
	};
	return { title => $title, command => ['mtaqueue', '-C', "$dir/conf", @$verb, $id], prepare => $put, count => $whole,
		acked => sub { my ($status) = @_; return $status == 0 },
		judge => sub {
			my ($acked, $n) = @_;
			return "the message is there $n times" if $n > 1;
			return 'lost' if !$n && !reports();
			return $acked && !$done->() ? 'said to be done, and is not' : '';
		},
		# what is done is not there to be done again: the next run has a new message
		between => sub { return if grep { -e "$queue/$_/$id" } qw(hold deferred); my $r = reports(); my @kept = map { [$_, read_file($_)] }
			grep { !$old{$_} && (read_file($_) // '') =~ $report } map { files("$queue/$_") } @queues; $put->(); write_file(@$_) for @kept },
		after => sub {
			my (undef, $n) = @_;
			return 'the next run does not do it' if !$done->();
			return reports() > 2 ? reports() . ' reports' : '';
		} };
}
# The message itself, or a report about it, which holds it too.
sub in_queue_or_report {
	my ($n, $why) = (0, '');
	for my $file (grep { !$old{$_} } map { files("$queue/$_") } @queues) {
		return (0, "in corrupt/: $file") if $file =~ m{/corrupt/};
		whole(read_file($file) // '', 1) or return (0, "partial: $file");
		$n++ if $file =~ m{/$id$};
	}
	return ($n, $why);
}
sub reports {
	my $n = 0;
	for my $file (grep { !$old{$_} } files("$box/new"), (map { files("$queue/$_") } qw(incoming active deferred))) {
		$n++ if (read_file($file) // '') =~ $report;
	}
	return $n;
}

# UPDATE of mtapop: QUIT after DELE of two messages of four, in a Maildir of its own. mtaauth waits at $dir/auth.
sub popping {
	my ($pop, $in) = ("$dir/mail/pop", "$dir/pop.session");
	my @names = map { "170000000$_.M1P1Q$_.here:2," } 1 .. 4;
	my $says = sub { write_file($in, join "\r\n", 'USER u', 'PASS x', @_, 'QUIT', '') };
	my $put = sub {
		for ($pop, map { "$pop/$_" } qw(cur new tmp)) { mkdir $_, 0700; chown $uid, $gid, $_ if $> == 0 }
		unlink map { files("$pop/$_") } qw(cur new tmp);
		write_file("$pop/cur/$names[$_]", $template . "number $_\n") for 0 .. 3;
		$says->('DELE 1', 'DELE 3');
	};
	my $look = sub {
		for (0 .. 3) {
			my $text = read_file("$pop/cur/$names[$_]");
			return (0, "message $_ is partial") if defined $text && $text ne $template . "number $_\n";
			return (0, "message $_ was not marked and is gone") if !defined $text && $_ % 2;
		}
		return (scalar(grep { -e "$pop/cur/$names[$_]" } 0, 2), '');
	};
	return { title => 'mtapop deletes messages (UPDATE)', uid => $uid, gid => $gid, prepare => $put, count => $look, input => $in,
		command => ['mtapop', '-C', "$dir/conf", '-o', "auth_socket=$dir/auth", '-o', 'disable_plaintext_auth=no', '-o', 'ssl_cert='],
		acked => sub { my (undef, $out) = @_; return $out =~ /^\+OK Logging out/m && $out !~ /^-ERR/m },
		judge => sub { my ($acked, $n) = @_; return $acked && $n ? "acknowledged, but $n marked messages are still there" : '' },
		between => sub { $says->('STAT') },
		after => sub { '' } };
}

my %scenario = (
	pop => \&popping,
	add => sub { adding(title => 'mtaqueue add', input => "$dir/message", command => ['mtaqueue', '-C', "$dir/conf", 'add', '-f', 'a@example.com', 'u@crash.test']) },
	sendmail => sub { adding(title => 'sendmail', count => \&queued_or_dropped, input => "$dir/message", command => ['sendmail', '-C', "$dir/conf", '-f', 'a@example.com', 'u@crash.test']) },
	drop => \&dropping,
	pickup => \&picking,
	smtp => sub {
		write_file("$dir/session", session('DATA', crlf($template) . '.'));
		return adding(title => 'mtasmtp through DATA', input => "$dir/session", command => ['mtasmtp', '-C', "$dir/conf"],
			acked => sub { my (undef, $out) = @_; return $out =~ /^250 2\.0\.0 Ok: queued as/m });
	},
	bdat => sub {
		my $text = crlf($template);
		my ($one, $two) = (substr($text, 0, 1000), substr $text, 1000);
		open my $h, '>', "$dir/session" or die; print $h "EHLO me.example.com\r\nMAIL FROM:<a\@example.com>\r\nRCPT TO:<u\@crash.test>\r\n",
			'BDAT ', length $one, "\r\n", $one, 'BDAT ', length $two, " LAST\r\n", $two, "QUIT\r\n";
		close $h; chmod 0644, "$dir/session";
		return adding(title => 'mtasmtp through BDAT', input => "$dir/session", command => ['mtasmtp', '-C', "$dir/conf"],
			acked => sub { my (undef, $out) = @_; return $out =~ /^250 2\.0\.0 .*queued as/m });
	},
	deliver => sub {
		# as the mailbox's owner: as root it would fork for that, and the one killed not be the one that delivers
		return adding(title => 'mtadeliver to a Maildir', input => "$dir/message", uid => $uid, gid => $gid, count => \&in_box,
			command => ['mtadeliver', '-C', "$dir/conf", '-f', 'a@example.com', 'u@crash.test']);
	},
	take => sub { managing('mtaqmgr takes and delivers a message', ['u@crash.test'], copies => 1, reports => 0, left => 0) },
	defer => sub { managing('mtaqmgr defers a message', ['x@busy.test'], copies => 0, reports => 0, left => 1, letters => 'T') },
	bounce => sub { managing('mtaqmgr bounces a message', ['x@gone.test'], copies => 0, reports => 1, left => 0) },
	giveup => sub { by_hand('mtaqueue bounce', ['bounce']) },
	reroute => sub { by_hand('mtaqueue reroute', ['reroute', '--to-transport', 'discard', '--to-nexthop', 'by hand'],
		says => qr/^opt transport=discard nexthop=by\+20hand$/m) },
	mixed => sub { managing('mtaqmgr delivers, defers and bounces', ['u@crash.test', 'x@busy.test', 'x@gone.test'], copies => 1, reports => 1, left => 1, letters => 'DTB') },
);

sub make {
	($dir, my $name) = @_;
	($queue, $box) = ("$dir/queue", "$dir/mail/u");
	($uid, $gid) = (stat "$queue/incoming")[4, 5];
	$template = "Subject: crash\nFrom: a\@example.com\nMessage-ID: <crash\@example.com>\nDate: Fri, 20 Nov 2026 12:00:00 +0000\n\n$body";
	$id = '0dZ8R3rG8qyVCVy2N';
	my $head = "time 1700000000.000000\nsender <old\@example.com>\nrcpt D <x\@crash.test>\nrcpt T <y\@busy.test>\n\n";
	my $text = "Subject: old\n\nold and to be left alone\n";
	my $old_file = sub { my $h = "id $_[0]\n$head"; return sprintf "mtaq1 %020d %020d\n%s%s", 48 + length $h, length $text, $h, $text };
	old_add("$queue/deferred/0dZ000000BBBBBBBB", $old_file->('0dZ000000BBBBBBBB'), time + 3000);
	old_add("$queue/defer/0dZ000000BBBBBBBB", "1700000000 4.2.0 <y\@busy.test> 450 busy\n", time - 3000);
	old_add("$queue/hold/0dZ000000CCCCCCCC", $old_file->('0dZ000000CCCCCCCC'), time - 3000);
	old_add("$box/new/1700000000.M1P1Q1.here,S=38", $text, 1700000000);
	old_add("$box/cur/1700000001.M1P1Q2.here,S=38:2,S", $text, 1700000001);
	write_file("$dir/message", $template);
	return ($scenario{$name} or die "no scenario $name\n")->();
}
1;
