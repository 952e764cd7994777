/* Programs that a tracer must survive, and that must not notice it: the first argument selects one. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sys/ptrace.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
static char req[32]; static volatile int stop;
static void fill(void){ struct nlmsghdr *h=(void*)req; memset(req,0,32); h->nlmsg_len=32; h->nlmsg_type=RTM_GETLINK; h->nlmsg_flags=NLM_F_REQUEST|NLM_F_ACK; h->nlmsg_seq=7; ((struct ifinfomsg*)(h+1))->ifi_index=1; }
static void *forks(void*p){ for(int i=0;i<20;i++){ pid_t q=fork(); if(!q) _exit(0); int st; waitpid(q,&st,0); } return 0; }
static void *spoil(void*p){ while(!stop){ for(int i=0;i<32;i++) req[i]^=rand(); } return 0; }
int main(int c,char**v){ char buf[65536]; int s=socket(AF_NETLINK,SOCK_RAW,NETLINK_ROUTE); fill();
 if(!strcmp(v[1],"double")){ if(!fork()){ if(!fork()){ setsid(); send(s,req,32,0); recv(s,buf,65536,0); _exit(0);} _exit(0);} wait(0); return 0;}
 if(!strcmp(v[1],"vfork")){ if(!vfork()){ execlp("ip","ip","link","show","dev","lo",NULL); _exit(1);} int st; wait(&st); return WEXITSTATUS(st);}
 if(!strcmp(v[1],"garbage")){ for(int i=0;i<300;i++){ int n=rand()%200; for(int k=0;k<n;k++) buf[k]=rand(); send(s,buf,n,0); recv(s,buf,65536,MSG_DONTWAIT);} return 0;}
 if(!strcmp(v[1],"spoil")){ pthread_t t; pthread_create(&t,0,spoil,0); for(int i=0;i<500;i++){ send(s,req,32,0); recv(s,buf,65536,MSG_DONTWAIT);} stop=1; pthread_join(t,0); return 0;}
 if(!strcmp(v[1],"badptr")){ send(s,(void*)8,100,0); recv(s,(void*)8,100,MSG_DONTWAIT); struct msghdr m={.msg_iov=(void*)16,.msg_iovlen=1<<20}; sendmsg(s,&m,0); m.msg_iov=(void*)-1; sendmsg(s,&m,0); sendmsg(s,(void*)1,0); syscall(SYS_sendmmsg,s,(void*)1,1<<30,0); send(s,buf,(size_t)-1,0); syscall(SYS_clone3,(void*)1,8); syscall(SYS_setns,-5,-1); syscall(SYS_mount,(void*)1,(void*)2,(void*)3,-1,(void*)4); syscall(SYS_ioctl,s,0x8913,(void*)1); syscall(SYS_socket,-1,-1,-1); syscall(SYS_execve,(void*)1,0,0); return 0;}
 if(!strcmp(v[1],"traceme")){ if(ptrace(PTRACE_TRACEME,0,0,0)) perror("traceme"); return 0;}
 if(!strcmp(v[1],"die")){ if(!fork()){ send(s,req,32,0); raise(SIGKILL);} wait(0); abort(); }
 if(!strcmp(v[1],"stop")){ pid_t p=fork(); if(!p){ raise(SIGSTOP); send(s,req,32,0); _exit(5);} int st; waitpid(p,&st,WUNTRACED); if(!WIFSTOPPED(st)) return 9; kill(p,SIGCONT); waitpid(p,&st,0); return WEXITSTATUS(st);}
 if(!strcmp(v[1],"forks")){ pthread_t t[8]; for(int i=0;i<8;i++) pthread_create(t+i,0,forks,0); for(int i=0;i<8;i++) pthread_join(t[i],0); return 0;}
 return 1; }
